"""What a running stack consists of, said once for both drivers.

A plan is data: components with their programs, environment, secrets, addresses, health checks and dependencies.
It says nothing of containers or processes; `Site` holds what differs between the two (host names, ports, folders as
a component sees them).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, get_args

Kind = Literal["postgres", "redis", "migrate", "auth", "entity", "dispatch", "worker", "beat", "gateway"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order in which they start."""
ComponentName = str
"""A kind, or a kind and a number where there are several: `dispatch`, `dispatch-2`, `dispatch-3`."""


def kind_of(name: ComponentName) -> Kind | None:
    """What a component is; None for a name that no component has."""
    return next((kind for kind in KINDS if kind == name.partition("-")[0]), None)


def in_starting_order(name: ComponentName) -> tuple[int, int]:
    """A key to sort names by."""
    kind, _, number = name.partition("-")
    return [*KINDS, kind].index(kind), int(number) if number.isdecimal() else 1


def instances_of(kind: Kind, count: int) -> tuple[ComponentName, ...]:
    """The names of so many equal components."""
    return (kind, *(f"{kind}-{number}" for number in range(2, count + 1)))


@dataclass(frozen=True)
class PythonModule:
    """`python -m MODULE ARGUMENTS` in our own installation or image."""

    module: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server with one scram-protected database, its owner (secret `postgres_password`) and a role."""

    user: str = "dataquality"
    """Owns the database and its tables; used by the migration alone."""
    role: str = "dataquality_application"
    """Reads and writes rows, and nothing else. The migration makes it."""
    database: str = "dataquality"
    connections: int = 200
    """How many it takes at once."""


@dataclass(frozen=True)
class Redis:
    """A Redis (or Valkey) server. Its password stands in its secret `redis.conf`, never on its command line."""


@dataclass(frozen=True)
class Gateway:
    """Caddy, with the text of its configuration file."""

    caddyfile: str


Program = PythonModule | Postgres | Redis | Gateway


@dataclass(frozen=True)
class HttpCheck:
    """Healthy when GET `path` on the component's own port answers 200."""

    path: str = "/internal/ready"


@dataclass(frozen=True)
class NativeCheck:
    """Healthy when the program's own means says so (pg_isready, PING, the gateway's health address)."""


HealthCheck = HttpCheck | NativeCheck


@dataclass(frozen=True)
class TcpEndpoint:
    """A service listens on a port; the others of its stack find it under a host name."""

    host: str
    port: int


@dataclass(frozen=True)
class UnixEndpoint:
    """A service listens on a Unix socket, in a folder that other accounts of the machine cannot enter."""

    path: PurePosixPath


Endpoint = TcpEndpoint | UnixEndpoint


@dataclass(frozen=True)
class Published:
    """The address on the host at which a component can be reached."""

    ip: str
    port: int


@dataclass(frozen=True)
class Component:
    """One process (local) or service (compose) of the stack."""

    name: ComponentName
    program: Program
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Never a secret: environments are visible to others."""
    secrets: tuple[str, ...] = ()
    """Names of the files that lie in the component's own secrets folder, readable by its account alone."""
    needs: tuple[ComponentName, ...] = ()
    """These are healthy (one-shot: done, exit 0) before this one starts."""
    health: HealthCheck | None = None
    port: int | None = None
    """Where it listens (inside its container, or on 127.0.0.1)."""
    socket: PurePosixPath | None = None
    """The Unix socket on which it listens instead."""
    published: Published | None = None
    once: bool = False
    """Runs to its end at each start, instead of for good."""
    memory_mib: int = 512
    cpus: float = 2
    """How many cores it may keep busy, where the driver can hold it to that."""
    stop_seconds: int = 20


@dataclass(frozen=True)
class SecretGuard:
    """How damaged secrets are noticed, and what the operator is told about them."""

    database: str | None
    """A file that exists once the database does, as the secrets job sees it; None for a database of others."""
    where: str
    """The folder of the kept secrets, as the operator sees it."""
    renew: str
    """The command that makes new ones, with `{names}` in it; empty where there is none."""


@dataclass(frozen=True)
class SecretPlan:
    """Which secrets exist, and how those that depend on others are written."""

    generated: tuple[str, ...]
    """Made at random (43 URL-safe characters) where neither given nor kept; then kept in the data folder."""
    given: Mapping[str, str]
    """From the configuration; they win over kept ones. Never printed (see `__repr__`)."""
    derived: Mapping[str, str]
    """Name to template, e.g. `redis://:{redis_password}@redis:6379/0`; not kept; a given or kept one wins."""
    guard: SecretGuard | None = None
    """None: nobody looks whether what is kept is whole."""

    def __repr__(self) -> str:
        return f"SecretPlan(generated={self.generated!r}, given={sorted(self.given)!r})"


@dataclass(frozen=True)
class Folders:
    """Where a component of ours sees the instance's folders."""

    data: PurePosixPath
    """Holds a SQLite database, when there is one."""
    log: PurePosixPath
    secrets: PurePosixPath
    """The component's own secrets, one file each."""


@dataclass(frozen=True)
class Plan:
    """A whole stack, in the order in which its components start."""

    instance: str
    components: tuple[Component, ...]
    secrets: SecretPlan
    image: str | None
    """The image that the configuration or `--image` names; None: `dataquality-server:<version>`."""
    configuration: str
    """Path of the configuration file, so that another's stack is never taken for this one."""
    data_folder: str
    log_folder: str

    def component(self, name: ComponentName) -> Component:
        """The component of that name; KeyError when there is none (on SQLite there is no `postgres`)."""
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(name)
