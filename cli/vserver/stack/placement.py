"""What differs between the places where a plan can run: host names, ports, folders as a component sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal, Protocol, get_args
from urllib.parse import urlsplit

from vserver.errors import CommandError, ExitCode
from vserver.stack.gateway import Bridge
from vserver.stack.plan import ComponentName, Endpoint, Folders, Published, TcpEndpoint, UnixEndpoint

Store = Literal["postgres", "redis"]
"""A server that keeps the stack's data. It listens on a port at every site, and asks for a password."""
STORES: tuple[Store, ...] = get_args(Store)

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def names_this_machine(proxies: Sequence[str]) -> bool:
    """Whether a loopback address is among these addresses and networks."""
    loopback = [ip_address(address) for address in _LOOPBACK if address != "localhost"]
    return any(address in ip_network(proxy, strict=False) for address in loopback for proxy in proxies)


class Site(Protocol):
    """A place where components run."""

    @property
    def redis_bind(self) -> str:
        """The addresses on which Redis listens, in its own words."""
        ...

    def store(self, name: Store) -> TcpEndpoint:
        """Where the others find a server of data."""
        ...

    def endpoint(self, name: ComponentName) -> Endpoint:
        """Where the others find a service of ours."""
        ...

    def listening(self, name: ComponentName) -> Mapping[str, str]:
        """What a service of ours finds in its environment about where to listen."""
        ...

    def gateway(self, published: Published) -> Published:
        """Where the gateway itself listens, so that it is reached at `published`."""
        ...

    def bridge(self, published: Published, trusted_proxies: Sequence[str]) -> Bridge | None:
        """What the gateway thinks of a caller with its bridge's address; None where there is no bridge before it."""
        ...

    def folders(self, name: ComponentName) -> Folders:
        """Where a component of ours sees the instance's folders."""
        ...

    def sqlite_file(self, path: str) -> str:
        """The full path of a SQLite file as a component sees it. Raises `CommandError` where it cannot."""
        ...

    @property
    def own_database(self) -> str:
        """A file that exists once the stack's own Postgres has its database, as the secrets job sees it."""
        ...

    def external(self, uri: str) -> str:
        """An outside database's address as a component reaches it. Raises `CommandError` where it cannot."""
        ...

    def external_host(self, key: str, host: str) -> str:
        """The same for the host of another outside server, which the key of the configuration names."""
        ...


@dataclass(frozen=True)
class LocalSite:
    """Processes of this machine, which find one another by Unix sockets and on its loopback address."""

    ports: Mapping[Store, int]
    data_folder: Path
    log_folder: Path
    secrets_folder: Path
    """Holds one folder for each reader."""
    sockets_folder: Path
    """Holds the services' Unix sockets; closed to other accounts."""
    redis_bind: str = "127.0.0.1"

    def store(self, name: Store) -> TcpEndpoint:
        """On the loopback address, at the port chosen for this instance."""
        return TcpEndpoint("127.0.0.1", self.ports[name])

    def endpoint(self, name: ComponentName) -> UnixEndpoint:
        """Its socket is called after it, as `Settings.socket` of the services has it."""
        return UnixEndpoint(PurePosixPath(self.sockets_folder / f"{name}.sock"))

    def listening(self, name: ComponentName) -> Mapping[str, str]:
        """The folder, for a service knows its own name."""
        return {"DATAQUALITY_SOCKETS": str(self.sockets_folder)}

    def gateway(self, published: Published) -> Published:
        """The gateway listens where it is published."""
        return published

    def bridge(self, published: Published, trusted_proxies: Sequence[str]) -> None:
        """Every caller has its own address."""
        return

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

    @property
    def own_database(self) -> str:
        """In the folder that Postgres works in."""
        return str(self.data_folder / "postgres" / "PG_VERSION")

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
    redis_bind: str = "* -::*"

    _SERVICE_PORT = 8000
    _GATEWAY_PORT = 8080
    _STORE_PORTS: ClassVar[Mapping[Store, int]] = {"postgres": 5432, "redis": 6379}

    def store(self, name: Store) -> TcpEndpoint:
        """The container's service name, and the customary port of the program."""
        return TcpEndpoint(name, self._STORE_PORTS[name])

    def endpoint(self, name: ComponentName) -> TcpEndpoint:
        """The same for a service of ours."""
        return TcpEndpoint(name, self._SERVICE_PORT)

    def listening(self, name: ComponentName) -> Mapping[str, str]:
        """On every address of a container whose networks only the stack is on."""
        return {"DATAQUALITY_HOST": "0.0.0.0", "DATAQUALITY_PORT": str(self._SERVICE_PORT)}  # noqa: S104

    def gateway(self, published: Published) -> Published:
        """One fixed port inside, whatever is published outside."""
        return Published("", self._GATEWAY_PORT)

    def bridge(self, published: Published, trusted_proxies: Sequence[str]) -> Bridge:
        """A proxy on this machine is believed where nobody else can have the bridge's address."""
        is_closed = ip_address(published.ip).is_loopback
        return "trusted" if is_closed and names_this_machine(trusted_proxies) else "shared"

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

    @property
    def own_database(self) -> str:
        """In Postgres' volume, which the secrets job sees too."""
        return "/database/PG_VERSION"

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
