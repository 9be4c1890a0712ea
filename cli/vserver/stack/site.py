"""What differs between the places where a plan can run: host names, ports, folders as a component sees them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import urlsplit

from vserver.errors import CommandError, ExitCode
from vserver.stack.plan import ComponentName, Folders, Published, instances_of

PortUser = ComponentName
"""A component that listens, other than the gateway."""


def port_users(dispatch_instances: int = 1) -> tuple[PortUser, ...]:
    """All of them."""
    return ("postgres", "redis", "auth", "entity", *instances_of("dispatch", dispatch_instances), "worker", "beat")


_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Site(Protocol):
    """A place where components run."""

    @property
    def bind(self) -> str:
        """The address on which a component listens for the others."""
        ...

    @property
    def redis_bind(self) -> str:
        """The same, in Redis' words."""
        ...

    def host(self, name: PortUser) -> str:
        """The name under which the others find a component."""
        ...

    def port(self, name: PortUser) -> int:
        """The port on which a component listens."""
        ...

    def gateway(self, published: Published) -> Published:
        """Where the gateway itself listens, so that it is reached at `published`."""
        ...

    def folders(self, name: ComponentName) -> Folders:
        """Where a component of ours sees the instance's folders."""
        ...

    def sqlite_file(self, path: str) -> str:
        """The full path of a SQLite file as a component sees it. Raises `CommandError` where it cannot."""
        ...

    def external(self, uri: str) -> str:
        """An outside database's address as a component reaches it. Raises `CommandError` where it cannot."""
        ...

    def external_host(self, key: str, host: str) -> str:
        """The same for the host of another outside server, which the key of the configuration names."""
        ...


@dataclass(frozen=True)
class LocalSite:
    """Processes of this machine, which find one another on its loopback address."""

    ports: Mapping[PortUser, int]
    data_folder: Path
    log_folder: Path
    secrets_folder: Path
    """Holds one folder for each reader."""
    bind: str = "127.0.0.1"
    redis_bind: str = "127.0.0.1"

    def host(self, name: PortUser) -> str:
        """Every component is on the loopback address."""
        return self.bind

    def port(self, name: PortUser) -> int:
        """The port chosen for this instance."""
        return self.ports[name]

    def gateway(self, published: Published) -> Published:
        """The gateway listens where it is published."""
        return published

    def folders(self, name: ComponentName) -> Folders:
        """The instance's folders as they are."""
        return Folders(
            data=PurePosixPath(self.data_folder),
            log=PurePosixPath(self.log_folder),
            secrets=PurePosixPath(self.secrets_folder / name),
        )

    def sqlite_file(self, path: str) -> str:
        """A relative path is relative to the instance's data folder."""
        return str(self.data_folder / path)

    def external(self, uri: str) -> str:
        """An outside database is reached as it is named."""
        return uri

    def external_host(self, key: str, host: str) -> str:
        """So is any other server."""
        return host


@dataclass(frozen=True)
class ComposeSite:
    """Containers of one project: each has its name as host name, a fixed port, and the same folders."""

    data_folder: Path
    """The instance's data folder on the host, mounted at `/data`."""
    bind: str = "0.0.0.0"  # noqa: S104 - inside a container whose network only the stack is on
    redis_bind: str = "* -::*"

    _SERVICE_PORT = 8000
    _GATEWAY_PORT = 8080

    def host(self, name: PortUser) -> str:
        """A container's service name."""
        return name

    def port(self, name: PortUser) -> int:
        """The customary port of the program."""
        return {"postgres": 5432, "redis": 6379}.get(name, self._SERVICE_PORT)

    def gateway(self, published: Published) -> Published:
        """One fixed port inside, whatever is published outside."""
        return Published("", self._GATEWAY_PORT)

    def folders(self, name: ComponentName) -> Folders:
        """The same three folders in each container; each sees its own secrets."""
        return Folders(PurePosixPath("/data"), PurePosixPath("/logs"), PurePosixPath("/secrets"))

    def sqlite_file(self, path: str) -> str:
        """Only what lies in the instance's data folder is seen by a container."""
        absolute = self.data_folder / path
        try:
            inside = absolute.relative_to(self.data_folder)
        except ValueError:
            inside = None
        if inside is None or ".." in inside.parts:
            raise CommandError(
                f"uri: the SQLite file {absolute} lies outside the data folder {self.data_folder}, "
                "which is all that the containers see",
                f"Move it there and write `uri: sqlite:///{absolute.name}`, or use `--driver local`.",
                ExitCode.USAGE,
            )
        return str(PurePosixPath("/data") / inside.as_posix())

    def external(self, uri: str) -> str:
        """A loopback address would be the container itself."""
        self.external_host("uri", urlsplit(uri).hostname or "")
        return uri

    def external_host(self, key: str, host: str) -> str:
        """The same."""
        if host in _LOOPBACK:
            raise CommandError(
                f"{key}: {host} is, seen from a container, the container itself",
                "Name this machine as the stack's containers reach it: host.docker.internal; or use `--driver local`.",
                ExitCode.USAGE,
            )
        return host
