"""Whether a component is healthy, asked of the component itself."""

import http.client
import json
import re
import socket
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from vserver.stack.files import write_private
from vserver.stack.gateway import HEALTH_PATH
from vserver.stack.local.paths import Place
from vserver.stack.local.unix_http import UnixConnection
from vserver.stack.plan import Component, ComponentName, Gateway, HttpCheck, Postgres, Redis

_SECONDS = 10
"""A part that stands still for some seconds on a busy machine is slow, and not ill."""
_PROGRAM_SECONDS = 20


@dataclass(frozen=True)
class Watch:
    """What is needed to look after a component that runs; kept, so that `status` needs no plan."""

    name: ComponentName
    how: Literal["http", "program", "redis", "once", "none"]
    host: str = "127.0.0.1"
    port: int = 0
    path: str = ""
    socket: str = ""
    """The Unix socket to ask instead of the port."""


def watch(component: Component) -> Watch:
    """How to look after a component of a plan."""
    port = component.port or 0
    if component.once:
        return Watch(component.name, "once")
    if isinstance(component.program, Gateway) and component.published:
        return Watch(component.name, "http", reached_at(component.published.ip), port, HEALTH_PATH)
    if isinstance(component.health, HttpCheck):
        unix_socket = str(component.socket) if component.socket else ""
        return Watch(component.name, "http", port=port, path=component.health.path, socket=unix_socket)
    if isinstance(component.program, Redis):
        return Watch(component.name, "redis", port=port)
    if isinstance(component.program, Postgres):
        return Watch(component.name, "program", port=port)
    return Watch(component.name, "none")


def reached_at(ip: str) -> str:
    """An address of this machine at which what listens on `ip` is reached."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ip, ip)  # noqa: S104


def problem(watched: Watch, place: Place) -> str | None:
    """None when the component is healthy, else what is wrong, in one line."""
    match watched.how:
        case "http":
            return _http(watched)
        case "redis":
            return _redis(watched, place.secrets / watched.name / "redis.conf")
        case "program":
            return _program(place.script(f"{watched.name}-health"))
        case "once" | "none":
            return None


def _http(watched: Watch) -> str | None:
    connection, where = _connection(watched)
    try:
        connection.request("GET", watched.path)
        response = connection.getresponse()
        body = response.read(500).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer on {where}: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if response.status == http.HTTPStatus.OK else f"{watched.path} answers {response.status}: {body}"


def _connection(watched: Watch) -> tuple[http.client.HTTPConnection, str]:
    """A connection that is not open yet, and what to call it."""
    if watched.socket:
        return UnixConnection(Path(watched.socket), _SECONDS), watched.socket
    return http.client.HTTPConnection(watched.host, watched.port, timeout=_SECONDS), f"port {watched.port}"


def _redis(watched: Watch, configuration: Path) -> str | None:
    password = re.search(r"^requirepass (\S+)$", configuration.read_text(encoding="utf-8"), re.MULTILINE)
    order = f"AUTH {password.group(1)}\r\nPING\r\n" if password else "PING\r\n"
    try:
        with socket.create_connection((watched.host, watched.port), timeout=_SECONDS) as connection:
            connection.sendall(order.encode())
            answer = b""
            while b"PONG" not in answer and not answer.startswith(b"-") and (part := connection.recv(500)):
                answer += part
    except OSError as error:
        return f"does not answer on port {watched.port}: {error}"
    return None if b"PONG" in answer else f"answers {answer.decode(errors='replace').strip()}"


def _program(script: Path) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ["/bin/sh", str(script)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROGRAM_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"its health check did not end within {_PROGRAM_SECONDS} seconds"
    said = (done.stderr or done.stdout).strip().splitlines()
    return None if done.returncode == 0 else (said[-1] if said else f"its health check ended with {done.returncode}")


def save(file: Path, watches: Iterable[Watch], address: str | None) -> None:
    """Keep what `status` needs to look after a stack that was started with other options or another configuration."""
    write_private(file, json.dumps({"address": address, "watches": [asdict(item) for item in watches]}))


def load(file: Path) -> tuple[str | None, list[Watch]]:
    """What `save` kept; nothing when there is nothing."""
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None, []
    return read["address"], [Watch(**item) for item in read["watches"]]
