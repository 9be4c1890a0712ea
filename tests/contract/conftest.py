"""The server as the clients of others see it: behind its gateway, on both databases; clients of both generations."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from support.arrange import Arrangement
from support.clients import VERSIONS, python_of, run_client
from support.collaborations import PASSWORD, World, new_world
from support.databases import PostgresServer, SqliteFiles
from support.gateway import Server, behind_gateway
from support.mail import Mailbox
from support.services import further_auth, running_services, unique
from support.valkey import ValkeyServer

Run = Callable[..., Any]
Person = Callable[..., str]


@pytest.fixture(scope="session")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    """The mail server of all servers."""
    mailbox = Mailbox(tmp_path_factory.mktemp("mailbox"))
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture(scope="session")
def server_on_sqlite(
    sqlite_files: SqliteFiles, valkey_server: ValkeyServer, mailbox: Mailbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server on SQLite, for the whole session."""
    folder, redis = tmp_path_factory.mktemp("contract"), valkey_server.database(21)
    with (
        sqlite_files.migrated_database() as url,
        running_services(folder, url, redis, settings=mailbox.settings, given=mailbox.secrets) as services,
        behind_gateway(services) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def server_on_postgres(
    postgres_server: PostgresServer,
    valkey_server: ValkeyServer,
    mailbox: Mailbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A server on Postgres with two instances of dispatch, which clients must not notice; for the whole session."""
    folder, redis = tmp_path_factory.mktemp("contract"), valkey_server.database(22)
    parts = ("auth", "entity", "dispatch", "dispatch-2", "worker", "beat")
    with (
        postgres_server.migrated_database() as url,
        running_services(folder, url, redis, parts, settings=mailbox.settings, given=mailbox.secrets) as services,
        behind_gateway(services) as server,
    ):
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> Server:
    """The server, once on each database."""
    return request.getfixturevalue(f"server_on_{request.param}")


@pytest.fixture(scope="session")
def guarded(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same server by a door that asks for a second factor: an instance of auth and a gateway of its own."""
    services = further_auth(
        server.services, tmp_path_factory.mktemp("guarded"), {"DATAQUALITY_TWO_FACTOR_AUTH": "true"}
    )
    try:
        services.wait_ready("auth")
        with behind_gateway(services) as guarded:
            yield guarded
    finally:
        services.stop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The run on SQLite is the shorter one: what the clients send does not depend on the database."""

    def is_extra(item: pytest.Item) -> bool:
        chosen = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        return chosen.get("server") == "sqlite" and chosen.get("version") == "3.4.2"

    config.hook.pytest_deselected(items=[item for item in items if is_extra(item)])
    items[:] = [item for item in items if not is_extra(item)]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version of the real clients; skips where it cannot be installed for want of its Python."""
    python_of(request.param)
    return str(request.param)


@pytest.fixture
def run(server: Server, version: str) -> Run:
    """Runs a script with a real client against the server."""
    return partial(run_client, version, server=server)


@pytest.fixture
def there(server: Server) -> Arrangement:
    """The server's database and secrets, for what no client can bring about, such as the passing of an hour."""
    return Arrangement(server.services)


@pytest.fixture
def world(server: Server) -> World:
    """A collaboration of two organizations, each with a node; new for each test."""
    return new_world(server.services)


@pytest.fixture
def person(server: Server) -> Person:
    """Makes a user of an organization with built-in roles; the username. The password is PASSWORD."""
    root = server.services.root
    roles = {role["name"]: role["id"] for role in root.get("/role").json()}

    def made(organization_id: int, *role_names: str) -> str:
        name = unique("user")
        body = {"username": name, "firstname": "Ada", "lastname": "Byron", "password": PASSWORD}
        body |= {"email": f"{name}@example.org", "organization_id": organization_id}
        root.made("/user", body | {"roles": [roles[role] for role in role_names]})
        return name

    return made


@pytest.fixture
def run_newer(server: Server) -> Run:
    """Runs a script with the newer client alone."""
    return partial(run_client, "3.11.1", server=server)
