"""The services as they really run, started once for many tests; a client that routes as the gateway does."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from support.parts import Begin, Part, as_fork
from support.processes import free_port

_SERVICES = ("auth", "entity", "dispatch")
_ALL = (*_SERVICES, "worker", "beat")
_AUTH_NOUNS = {"token", "recover", "password", "user", "role", "rule", "health", "version", "openapi.json", "docs"}
_ENTITY_NOUNS = {"organization", "collaboration", "node"}
ROOT = ("root", "root")
# One for all: a client of its own for each call would load the certificates of the whole world each time.
# One for all: making a client costs twenty times a request. A connection a request all the same, as most clients do.
_http = httpx.Client(timeout=30, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def unique(word: str) -> str:
    """A name that no other test uses: tests share their services."""
    return f"{word}-{secrets.token_hex(5)}"


def service_of(path: str) -> str:
    """The service that the gateway would send this API path to."""
    parts = path.split("?")[0].strip("/").split("/")
    if parts[0] == "collaboration" and parts[2:3] == ["task"]:
        return "dispatch"
    if parts == ["recover", "node"]:
        return "entity"
    if parts[0] in _AUTH_NOUNS:
        return "auth"
    return "entity" if parts[0] in _ENTITY_NOUNS else "dispatch"


@dataclass
class Api:
    """Calls the API as one caller; paths are relative to the API path, such as `/organization`."""

    addresses: dict[str, str]
    token: str | None = None
    tokens: dict[str, Any] = field(default_factory=dict[str, Any])

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{self.addresses[service_of(path)]}/api{path}"
        return _http.request(method, url, headers=headers | arguments.pop("headers", {}), **arguments)

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("GET", path, **arguments)

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("POST", path, **arguments)

    def patch(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("PATCH", path, **arguments)

    def delete(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("DELETE", path, **arguments)

    def made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST what must succeed; the object that was made."""
        response = self.post(path, json=body)
        assert response.status_code in (200, 201), response.text
        return response.json()


@dataclass
class Services:
    """Running services. `environment` and `folder` let a test start more parts of its own."""

    folder: Path
    database_url: str
    redis_url: str
    addresses: dict[str, str]
    environment: dict[str, str]
    processes: dict[str, Part] = field(default_factory=dict[str, Part])
    begin: Begin = as_fork
    """How a component begins."""

    @property
    def anyone(self) -> Api:
        """A caller without a token."""
        return Api(self.addresses)

    @cached_property
    def root(self) -> Api:
        """The first user, signed in once for all: checking a password costs more than most tests."""
        return self.login(*ROOT)

    def login(self, username: str, password: str) -> Api:
        """A user signed in."""
        return self._signed_in("/token/user", {"username": username, "password": password})

    def login_node(self, api_key: str) -> Api:
        """A node signed in."""
        return self._signed_in("/token/node", {"api_key": api_key})

    def _signed_in(self, path: str, body: dict[str, str]) -> Api:
        tokens = self.anyone.made(path, body)
        return Api(self.addresses, tokens["access_token"], tokens)

    def run(self, module: str, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run a module of ours once with the services' settings."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def start(self, name: str) -> None:
        """Start (or start again) one component: auth, entity, dispatch (or dispatch-2 ...), worker or beat."""
        kind = name.partition("-")[0]
        module = f"dataquality.{kind}" if kind in _SERVICES else f"dataquality.dispatch.{kind}"
        environment = self.environment | {"DATAQUALITY_COMPONENT": name}
        environment["DATAQUALITY_PORT"] = self.addresses[name].rpartition(":")[2]
        self.processes[name] = self.begin(module, environment, self.folder / f"{name}.log")

    def wait_ready(self, name: str, seconds: float = 60) -> None:
        """Wait until a service says that it is ready."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.processes[name].poll() is not None:
                break
            try:
                if _http.get(f"{self.addresses[name]}/internal/ready", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"{name} is not ready:\n{self.log(name)[-4000:]}")

    def kill(self, name: str) -> None:
        """SIGKILL a component and its children, and wait for its end."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> str:
        """What a component has logged so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        """End all components."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def running_services(
    folder: Path,
    database_url: str,
    redis_url: str,
    parts: tuple[str, ...] = _ALL,
    settings: dict[str, str] | None = None,
    given: dict[str, str] | None = None,
    begin: Begin = as_fork,
) -> Generator[Services]:
    """Migrate the database and run the services on it until the block ends; `given` are further secrets."""
    addresses = {name: f"http://127.0.0.1:{free_port()}" for name in dict.fromkeys((*_ALL, *parts))}
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("DATAQUALITY_")},
        "DATAQUALITY_SECRETS": str(_secrets(folder / "secrets", database_url, redis_url, given or {})),
        "DATAQUALITY_ENVIRONMENT": "test",
        "DATAQUALITY_INSTANCE": "tests",
        "DATAQUALITY_LOGGING__LEVEL": "INFO",
        "DATAQUALITY_ALLOW_DROP_ALL": "true",
        # All tests call from one address.
        "DATAQUALITY_FAILURES_PER_ADDRESS": "1000000",
        **{f"DATAQUALITY_{name.upper()}_URL": address for name, address in addresses.items() if "-" not in name},
        "DATAQUALITY_DISPATCH_MORE_URLS": json.dumps([addresses[name] for name in parts if "dispatch-" in name]),
        **(settings or {}),
    }
    services = Services(folder, database_url, redis_url, addresses, environment, begin=begin)
    migrated = services.run("dataquality.jobs.migrate")
    assert migrated.returncode == 0, migrated.stderr.decode()
    try:
        for name in parts:
            services.start(name)
        for name in parts:
            services.wait_ready(name)
        yield services
    finally:
        services.stop()


def further_auth(services: Services, folder: Path, settings: dict[str, str]) -> Services:
    """The same services by another instance of auth, started here with settings of its own; `stop` ends it alone."""
    addresses = services.addresses | {"auth": f"http://127.0.0.1:{free_port()}"}
    further = replace(
        services, folder=folder, addresses=addresses, environment=services.environment | settings, processes={}
    )
    further.start("auth")
    return further


def _secrets(folder: Path, database_url: str, redis_url: str, given: dict[str, str]) -> Path:
    folder.mkdir(mode=0o700)
    values = {"database_url": database_url, "redis_url": redis_url, **given}
    generated = ("jwt_secret_key", "service_key", "api_key_pepper", "reset_key")
    for name, value in {**values, **{name: secrets.token_urlsafe(32) for name in generated}}.items():
        (folder / name).write_text(value)
    return folder
