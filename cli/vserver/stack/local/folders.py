"""The folders of an instance that root starts: made for the account that it runs as, where they are missing."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from vserver.account import Account, blocker, writable
from vserver.errors import CommandError, ExitCode
from vserver.stack.local.paths import Place

_CLOSED = 0o700
_OPEN = 0o755
_SHARED = 0o1775
"""Several instances' logs, and on some systems their data: each may add its own, none may remove another's."""


def hand_over(place: Place, account: Account | None) -> None:
    """Make the data and log folder where they are missing. What is there already keeps its owner and its mode.

    Raises `CommandError` where the account could not use them.
    """
    if account is None:
        return
    # The log folder may be the one that holds all data folders, so it comes first.
    _make(place.log, account, shared=True)
    _make(place.data, account, shared=False)


def _make(folder: Path, account: Account, *, shared: bool) -> None:
    if folder.exists() and writable(folder, account.uid, account.gid):
        return
    _check_way(folder, account)
    with _one_at_a_time():
        if not folder.exists():
            _make_way(folder.parent)
            folder.mkdir(mode=_CLOSED)
            os.chown(folder, -1 if shared else account.uid, account.gid, follow_symlinks=False)
            folder.chmod(_SHARED if shared else _CLOSED)
    if not writable(folder, account.uid, account.gid):
        raise CommandError(
            f"The account `{account.name}`, which the server runs as, may not write to {folder}",
            f"Give it the folder: `chown {account.name}: {folder}`; or name other `directories` in the configuration.",
            ExitCode.UNREACHABLE,
        )


def _make_way(folder: Path) -> None:
    """Make a folder and those above that are missing, such that others can enter them, whatever root's umask says."""
    if not folder.exists():
        _make_way(folder.parent)
        folder.mkdir()
        folder.chmod(_OPEN)


@contextmanager
def _one_at_a_time() -> Generator[None]:
    """A folder is seen by another start only when it is whole. Held on the topmost folder: which of those below there
    are is what changes."""
    handle = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _check_way(folder: Path, account: Account) -> None:
    blocked = blocker(folder.parent / "x", account.uid, account.gid)
    if blocked is not None:
        raise CommandError(
            f"The account `{account.name}`, which the server runs as, cannot enter {blocked} on the way to {folder}",
            "Name folders that it can reach, in `directories` of the configuration or by the XDG variables "
            f"(/var/lib/{account.name}, say), or start the instance as an ordinary user.",
            ExitCode.UNREACHABLE,
        )
