"""Starting real servers for tests: where their programs are, as whom they run, how they end."""

import itertools
import os
import pwd
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

SECONDS = 60
"""A program may take that long to start or to end where the machine starves it."""


def _ports() -> Iterator[int]:
    """Those that this test process gives away, again and again.

    None of them is given away by the system, nor by another process of the same run, nor taken by a stack for its
    components: whoever stands still between the choice of a port and its use would find it taken.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ours = list(range(10_000, 20_000))[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    # Not in one order, for other runs beside this one; and not in one that a test has a hand in.
    random.SystemRandom().shuffle(ours)
    return itertools.cycle(ours)


_PORTS = _ports()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that nobody else is given meanwhile."""
    return next(filter(_is_free, _PORTS))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def package_folder(name: str) -> Path:
    """Where an installed package lies, without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{name} is not installed; run `make setup`")
    return Path(spec.origin).parent


class Account(TypedDict, total=False):
    """The arguments of subprocess that say as whom."""

    user: int
    group: int
    extra_groups: list[int]


def as_account(account: pwd.struct_passwd | None, *groups: int) -> Account:
    """Arguments for subprocess that run it as this account, in no groups but its own and these; empty for ourselves."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": list(groups)}


def unprivileged() -> Account:
    """Arguments for subprocess that give up root; empty when we are not root anyway."""
    if os.geteuid() != 0:
        return {}
    return as_account(pwd.getpwnam("nobody"))


def give_away(*paths: Path) -> None:
    """Make these belong to whom `unprivileged` runs as."""
    if os.geteuid() == 0:
        account = pwd.getpwnam("nobody")
        for path in paths:
            os.chown(path, account.pw_uid, account.pw_gid)


def wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when `ready` says so. Raises with the log when the process ends first, or after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            raise RuntimeError(f"{process.args} did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def stop(process: "subprocess.Popen[bytes]", *, signal: int = 2) -> None:
    """End a process with `signal` (SIGINT), with SIGKILL when it does not listen."""
    if process.poll() is not None:
        return
    process.send_signal(signal)
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
