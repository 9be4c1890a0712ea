"""The unprivileged account that a stack started by root runs as: which it is, and what it can reach."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from vserver.errors import CommandError, ExitCode

DEFAULT_ACCOUNT = "dataquality"
VARIABLE = "VSERVER_ACCOUNT"
HOME = Path("/var/lib/dataquality")
_NOBODY = -1
"""An account that no file belongs to."""


@dataclass(frozen=True)
class Account:
    """An account of this machine, by its numbers."""

    name: str
    uid: int
    gid: int


def is_root() -> bool:
    """Whether we run as root (never on systems that know no such thing)."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def account_name() -> str:
    """The account that a stack started by root is to run as."""
    return os.environ.get(VARIABLE) or DEFAULT_ACCOUNT


def find_account(name: str) -> Account | None:
    """The account of that name, when this machine has it. Root is refused."""
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    if entry.pw_uid == 0:
        raise CommandError(
            f"{VARIABLE} names {name}, which is root: the server must not run with its rights",
            f"Name another account, or unset {VARIABLE} for an account `{DEFAULT_ACCOUNT}` of its own.",
            ExitCode.USAGE,
        )
    return Account(name, entry.pw_uid, entry.pw_gid)


def blocker(path: Path, uid: int, gid: int) -> Path | None:
    """The first part of the path that an account cannot enter or read; None when it reaches all that exists of it."""
    path = path.absolute()
    for part in (*reversed(path.parents), path):
        try:
            status = part.stat()
        except FileNotFoundError:
            return None
        except PermissionError:
            return part
        wanted = stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else stat.S_IROTH
        if part == path and stat.S_ISDIR(status.st_mode):
            wanted |= stat.S_IROTH
        if not _grants(status, uid, gid, wanted):
            return part
    return None


def reachable(path: Path, uid: int, gid: int) -> bool:
    """Whether an account can enter every folder above `path` and read it, as far as it exists."""
    return blocker(path, uid, gid) is None


def open_to_all(path: Path) -> bool:
    """Whether everybody may enter the existing folders on the way to `path`."""
    return blocker(path / "x", _NOBODY, _NOBODY) is None


def enterable(path: Path, uid: int, gid: int) -> bool:
    """Whether an account can enter every existing folder on the way to `path`, and `path` itself."""
    blocked = blocker(path / "x", uid, gid)
    return blocked is None


def writable(path: Path, uid: int, gid: int) -> bool:
    """Whether an account can make files in the folder `path`."""
    return enterable(path, uid, gid) and _grants(path.stat(), uid, gid, stat.S_IXOTH | stat.S_IWOTH)


def _grants(status: os.stat_result, uid: int, gid: int, wanted: int) -> bool:
    """By the one class of the mode that applies to the account."""
    if uid == 0:
        return True
    if status.st_uid == uid:
        wanted <<= 6
    elif status.st_gid == gid:
        wanted <<= 3
    return status.st_mode & wanted == wanted
