"""Supervisor, which keeps the components running: its configuration, and its XML-RPC over a Unix socket."""

import contextlib
import http.client
import re
import subprocess
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from vserver.errors import CommandError
from vserver.stack.local.programs import without_new_privileges
from vserver.stack.local.unix_http import UnixConnection
from vserver.stack.plan import Component

_LOG_BYTES = 50_000_000
_OLD_LOGS = 5
"""Together as much as the log file itself: a day of a busy server, see docs/operations.md."""
_ANSWER_SECONDS = 30
"""One that is gone refuses at once. One that stands still, as on a starved machine, is not to be taken for gone."""
_NEVER_GIVE_UP = 1_000_000
"""Supervisor waits one second longer after each failed start in a row, and starts from one after a good one."""

ProcessState = Literal[
    "STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"
]  # fmt: skip


@dataclass(frozen=True)
class ProcessInfo:
    """What supervisor says of one process."""

    name: str
    state: ProcessState
    pid: int | None
    detail: str


class NoSupervisorError(Exception):
    """No supervisor answers at the socket."""


def configuration(components: Iterable[Component], socket_path: Path, logs: Mapping[str, Path]) -> str:
    """The text of supervisord.conf. All other paths are relative to the folder that supervisor is started in."""
    sections = [
        "; Written by vserver at each start.",
        "[supervisord]",
        "logfile=supervisord.log",
        "logfile_maxbytes=1MB",
        "logfile_backups=1",
        "pidfile=supervisord.pid",
        "umask=077",
        "nocleanup=true",
        "[unix_http_server]",
        f"file={_value(socket_path)}",
        "chmod=0600",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for component in components:
        sections += _program(component, logs[component.name])
    return "\n".join(sections) + "\n"


def _program(component: Component, log: Path) -> list[str]:
    return [
        f"[program:{component.name}]",
        f"command=/bin/sh scripts/{component.name}.sh",
        "autostart=false",
        "autorestart=true",
        "startsecs=1",
        f"startretries={_NEVER_GIVE_UP}",
        f"stopsignal={_stop_signal(component.name)}",
        f"stopwaitsecs={component.stop_seconds}",
        # A worker's own children are told by their parent; what is left of a group in the end is killed as one.
        "stopasgroup=false",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile={_value(log)}",
        f"stdout_logfile_maxbytes={_LOG_BYTES}",
        f"stdout_logfile_backups={_OLD_LOGS}",
    ]


def _stop_signal(name: str) -> str:
    """Postgres' INT is its fast shutdown; TERM would wait for every client."""
    return "INT" if name == "postgres" else "TERM"


def _value(path: Path) -> str:
    """A path as supervisor reads it back; what its format cannot carry is refused."""
    text = str(path)
    if re.search(r"[\r\n]|\s[;#]", text):
        raise CommandError(f"{text!r}: supervisor cannot use this path", "Choose a folder without ; # or line breaks.")
    return text.replace("%", "%%")


def launch(python: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Start supervisor in `folder`, from which it reads supervisord.conf; it detaches itself once it listens."""
    done = subprocess.run(  # noqa: S603
        [*without_new_privileges(), str(python), "-m", "supervisor.supervisord", "-c", "supervisord.conf"],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        umask=0o077,  # it makes its own log before it reads its configuration's
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("Error")]
        raise CommandError(
            f"Supervisor did not start: {said[0] if said else f'exit code {done.returncode}'}",
            f"Its log is {folder / 'supervisord.log'}.",
        )


class Supervisor:
    """A running supervisor. Every method raises NoSupervisorError when none answers."""

    def __init__(self, socket_path: Path) -> None:
        self._socket = socket_path

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            self._call("supervisor.getState")
        except NoSupervisorError:
            return False
        return True

    def pid(self) -> int:
        """Its own process id."""
        return int(self._call("supervisor.getPID"))

    def processes(self) -> dict[str, ProcessInfo]:
        """All its processes by name."""
        return {
            info["name"]: ProcessInfo(
                info["name"], info["statename"], info["pid"] or None, _detail(info["spawnerr"], info["description"])
            )
            for info in self._call("supervisor.getAllProcessInfo")
        }

    def start(self, name: str) -> None:
        """Start a process, without waiting."""
        self._call("supervisor.startProcess", name, False)

    def stop(self, name: str) -> None:
        """Ask a process to stop, without waiting; one that does not run is left alone."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call("supervisor.stopProcess", name, False)

    def stop_again(self, name: str) -> None:
        """Repeat the wish to a process that was asked to stop.

        Between supervisor's fork and its exec, a process still has supervisor's handlers, which lose its signals.
        """
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call("supervisor.signalProcess", name, _stop_signal(name))

    def shutdown(self, seconds: float) -> bool:
        """End supervisor and all that it runs; whether it has gone."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call("supervisor.shutdown")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.answers():
                return True
            time.sleep(0.1)
        return False

    def _call(self, method: str, *arguments: object) -> Any:
        server = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(self._socket))
        try:
            return cast(Any, server).__getattr__(method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise NoSupervisorError(str(error)) from error


def _detail(spawn_error: str, description: str) -> str:
    return spawn_error or description


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return UnixConnection(self._path, _ANSWER_SECONDS)
