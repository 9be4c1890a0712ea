"""Parts of the server as processes: forked from one that has imported them all, or programs from the beginning.

Importing a part costs more processor time than most files of tests need of it. The fork runs the part's own module as a
program does; only its command line is another.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Protocol

_IMPORTED = [
    *(f"dataquality.{service}.app" for service in ("auth", "entity", "dispatch")),
    "dataquality.core.serve",
    *(f"dataquality.dispatch.{room}" for room in ("celery", "jobs", "health", "silence")),
    # What uvicorn and Celery load when they are started.
    "uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "uvicorn.lifespan.on",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "kombu.transport.redis",
]
_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(_IMPORTED)


class Part(Protocol):
    """A process that runs a part, in a process group of its own."""

    @property
    def pid(self) -> int:
        """Also the id of its group."""
        ...

    def poll(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it; None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """The same when it has ended. Raises subprocess.TimeoutExpired."""
        ...

    def send_signal(self, sig: int, /) -> None:
        """Nothing when it has ended."""
        ...


Begin = Callable[[str, Mapping[str, str], Path], Part]
"""Begins to run a module with an environment; what it says is added to a file."""


def as_program(module: str, environment: Mapping[str, str], log: Path) -> Part:
    """As in production: `python -m MODULE`."""
    with log.open("ab") as words:
        command = [sys.executable, "-m", module]
        return subprocess.Popen(command, env=environment, stdout=words, stderr=words, start_new_session=True)


def as_fork(module: str, environment: Mapping[str, str], log: Path) -> Part:
    """The same, but for the imports."""
    # Whoever forgets to end it is not waited for in the end.
    process = _forking.Process(target=_run, args=(module, dict(environment), str(log)), daemon=True)
    process.start()
    return _Fork(process)


class _Fork:
    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return self._process.exitcode

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


def _run(module: str, environment: dict[str, str], log: str) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    words = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(words, stream)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
