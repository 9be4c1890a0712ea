"""The real gateway in front of running services: one host and port, with the product's own routes."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx

from support.processes import free_port, stop, wait_until
from support.services import Services
from vserver.stack.gateway import HEALTH_PATH, Listening, ServiceName, caddyfile
from vserver.stack.local.programs import installed_runtime

API_PATH = "/api"
HOST = "127.0.0.1"


@dataclass
class Server:
    """Running services behind their gateway, as clients see them."""

    services: Services
    port: int
    _folder: Path
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://{HOST}:{self.port}"

    def open(self) -> None:
        """Start the gateway (again), on the port that it had before."""
        log = self._folder / "gateway.log"
        file = self._folder / "Caddyfile"
        file.write_text(caddyfile(Listening(self.port, HOST), API_PATH, _upstreams(self.services)))
        command = [installed_runtime().caddy, "run", "--config", file, "--adapter", "caddyfile"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=output, stderr=output)
        wait_until(self._answers, self._process, log)

    def close(self) -> None:
        """Cut every connection, those of sockets too."""
        if self._process is not None:
            stop(self._process, signal=9)

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url + HEALTH_PATH, timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def behind_gateway(services: Services) -> Generator[Server]:
    """The services behind a gateway of their own until the block ends."""
    server = Server(services, free_port(), services.folder)
    server.open()
    try:
        yield server
    finally:
        server.close()


def _upstreams(services: Services) -> dict[ServiceName, list[str]]:
    """A part's further instances (`dispatch-2`) stand behind its first."""
    found: dict[ServiceName, list[str]] = {}
    for name, address in services.addresses.items():
        found.setdefault(cast(ServiceName, name.partition("-")[0]), []).append(address.removeprefix("http://"))
    return found
