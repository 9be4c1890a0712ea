"""Processes of this machine: those of an instance, and who holds a port."""

import contextlib
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from vserver.stack.driver import ComponentStatus
from vserver.stack.plan import ComponentName, kind_of

Process = psutil.Process
MARK = "DATAQUALITY_MARK"
_CLOBBERERS = ("postgres", "valkey-server", "redis-server")
"""These write their title over their environment; they are known by the folder that they work in."""


@dataclass(frozen=True)
class Holder:
    """Who listens on a port, as far as we are allowed to see."""

    pid: int
    name: str
    instance: str | None
    """Set when it is an instance of ours."""

    def __str__(self) -> str:
        who = f"process {self.pid} ({self.name})"
        return f"{who} of the instance {self.instance}" if self.instance else who


def of_instance(mark: str, folders: Iterable[Path]) -> list[Process]:
    """All living processes of an instance; `folders` are those in which its databases work."""
    places = {str(folder) for folder in folders}
    return [process for process in psutil.process_iter() if _belongs(process, mark, places)]


def _belongs(process: Process, mark: str, places: set[str]) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.environ().get(MARK) == mark:
            return True
        return process.name().startswith(_CLOBBERERS) and process.cwd() in places
    return False


def end(processes: Iterable[Process], seconds: float) -> list[Process]:
    """Ask them to end, then end them. Those that are still there in the end (never seen yet)."""
    left = list(processes)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            # Postgres waits for its clients after TERM; INT is its fast and orderly way.
            process.send_signal(signal.SIGINT if process.name().startswith("postgres") else signal.SIGTERM)
    _, left = psutil.wait_procs(left, timeout=seconds)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, left = psutil.wait_procs(left, timeout=5)
    return left


def holder(port: int) -> Holder | None:
    """Who listens on a TCP port; None when nobody does, or when only root may know."""
    for pid in _listeners(port):
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            return Holder(pid, process.name(), _instance_of(process))
    return None


def _listeners(port: int) -> Iterator[int]:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            here = connection.laddr
            if connection.status == psutil.CONN_LISTEN and here and here.port == port and connection.pid:
                yield connection.pid


def _instance_of(process: Process) -> str | None:
    with contextlib.suppress(psutil.Error, OSError):
        mark = process.environ().get(MARK, "")
        return mark.rpartition(":")[0] or None
    return None


def is_postgres(pid: int) -> bool:
    """Whether a living process of that number is a Postgres."""
    with contextlib.suppress(psutil.Error, OSError):
        return psutil.Process(pid).name().startswith("postgres")
    return False


_BY_PROGRAM: dict[str, ComponentName] = {
    "postgres": "postgres",
    "valkey-server": "redis",
    "redis-server": "redis",
    "caddy": "gateway",
}


def as_components(left: Iterable[Process]) -> tuple[ComponentStatus, ...]:
    """Processes without a supervisor, as components: the eldest of each."""
    found: dict[ComponentName, ComponentStatus] = {}
    for process in sorted(left, key=lambda process: process.pid):
        with contextlib.suppress(psutil.Error, OSError):
            name = _component_of(process)
            if name is not None:
                found.setdefault(name, ComponentStatus(name, "orphaned", "runs without a supervisor", process.pid))
    return tuple(found.values())


def _component_of(process: Process) -> ComponentName | None:
    by_program = _BY_PROGRAM.get(process.name())
    if by_program is not None:
        return by_program
    named = process.environ().get("DATAQUALITY_COMPONENT", "")
    return named if kind_of(named) else None


def running_from(folder: Path) -> bool:
    """Whether any process runs a program, or a script, that lies below `folder`."""
    start = f"{folder}/"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(word.startswith(start) for word in (process.exe(), *process.cmdline())):
                return True
    return False
