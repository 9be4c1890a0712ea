"""A stack under compose whose parts can be hit: through the engine, as whatever befalls a container."""

import json
import os
import signal
import subprocess
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.compose import docker, freeze
from support.faults.injector import PARTS
from support.local import new_home
from support.processes import free_port
from support.waiting import eventually
from vserver.stack.gateway import HEALTH_PATH

_LABEL = "com.docker.compose"
_CHECKED = ("auth", "entity", "dispatch", "dispatch-2", "worker", "beat")
"""Parts of ours that say whether they are ready, and with that whether database and Redis answer them."""
_FLUSH = (
    "import os, pathlib, redis;"
    "url = pathlib.Path(os.environ['DATAQUALITY_SECRETS'], 'redis_url').read_text().strip();"
    "redis.Redis.from_url(url).flushall()"
)


@dataclass
class ComposeParts:
    """A running stack; see `injector.Parts`."""

    url: str
    project: str
    names: tuple[str, ...]
    _cut: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Parts that are off the network, with the networks that they were in."""

    def kill(self, part: str) -> None:
        # The engine may not have started it again yet; to kill process 0 would be to kill ourselves.
        eventually(lambda: self._pid(part))
        # Not `docker kill`: after that the engine does not start it again.
        if pid := self._pid(part):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def freeze(self, part: str) -> None:
        freeze(self._container(part))

    def thaw(self, part: str) -> None:
        docker("unpause", self._container(part))

    def cut(self, part: str) -> None:
        self._cut[part] = list(self._inspect(part)["NetworkSettings"]["Networks"])
        for network in self._cut[part]:
            docker("network", "disconnect", network, self._container(part))

    def join(self, part: str) -> None:
        for network in self._cut.pop(part, []):
            docker("network", "connect", "--alias", part, network, self._container(part))

    def flush(self) -> None:
        docker("exec", self._container("worker"), "python", "-c", _FLUSH)

    def addresses(self, part: str) -> list[str]:
        """Those that it has now, one of each network that it is in."""
        networks = self._inspect(part)["NetworkSettings"]["Networks"].values()
        return [network["IPAddress"] for network in networks if network["IPAddress"]]

    def problems(self) -> list[str]:
        asked = [part for part in self.names if part in ("gateway", *_CHECKED)]
        with ThreadPoolExecutor(len(asked)) as pool:
            return [part for part, answers in zip(asked, pool.map(self._answers, asked), strict=True) if not answers]

    def _answers(self, part: str) -> bool:
        with httpx.Client(timeout=3, trust_env=False) as client, suppress(httpx.TransportError, AssertionError):
            return client.get(self._health(part)).status_code == 200
        return False

    def _health(self, part: str) -> str:
        if part == "gateway":
            return f"{self.url}{HEALTH_PATH}"
        found = self._inspect(part)
        [port] = [one.partition("=")[2] for one in found["Config"]["Env"] if one.startswith("DATAQUALITY_PORT=")]
        addresses = self.addresses(part)
        assert addresses, f"{part} is in no network"
        return f"http://{addresses[0]}:{port}/internal/ready"

    def _container(self, part: str) -> str:
        labels = {"project": self.project, "service": part}
        filters = [word for name, value in labels.items() for word in ("--filter", f"label={_LABEL}.{name}={value}")]
        return docker("ps", "-aq", *filters).strip()

    def _pid(self, part: str) -> int:
        """Of its main process; 0 where there is none."""
        return int(self._inspect(part)["State"]["Pid"])

    def _inspect(self, part: str) -> dict[str, Any]:
        return json.loads(docker("inspect", self._container(part)))[0]


def _names(project: str) -> tuple[str, ...]:
    form = '{{.Label "com.docker.compose.service"}}'
    there = docker("ps", "--filter", f"label={_LABEL}.project={project}", "--format", form).split()
    return tuple(part for part in PARTS if part in there)


@contextmanager
def compose_stack(keys: str) -> Generator[ComposeParts]:
    """A stack of its own under compose, with these keys in its configuration; nothing of it is left."""
    with new_home() as home:
        name = home.configure(f"ip: 127.0.0.1\nport: {free_port()}\n{keys}")
        project = f"dataquality-{name}-dev-user"
        try:
            started = home.vserver("start", "-n", name, "--user", "--driver", "compose", "--json")
            assert started.returncode == 0, started.stdout + started.stderr
            address = json.loads(started.stdout)["data"]["address"].rpartition("/")[0]
            yield ComposeParts(address, project, _names(project))
        finally:
            subprocess.run(
                ["docker", "compose", "-p", project, "down", "--volumes", "--remove-orphans", "--timeout=5"],
                capture_output=True, check=False, timeout=300,
            )  # fmt: skip
