"""Fixtures for tests of the services through their API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.databases import PostgresServer, SqliteFiles
from support.services import Api, Services, running_services
from support.valkey import ValkeyServer


@pytest.fixture(scope="session")
def services_on_sqlite(
    sqlite_files: SqliteFiles, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """All services on SQLite, for the whole session."""
    with (
        sqlite_files.migrated_database() as url,
        running_services(_folder(tmp_path_factory), url, valkey_server.database(1)) as services,
    ):
        yield services


@pytest.fixture(scope="session")
def services_on_postgres(
    postgres_server: PostgresServer, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """All services on Postgres, for the whole session."""
    with (
        postgres_server.migrated_database() as url,
        running_services(_folder(tmp_path_factory), url, valkey_server.database(2)) as services,
    ):
        yield services


@pytest.fixture(params=["sqlite", "postgres"])
def services(request: pytest.FixtureRequest) -> Services:
    """The services, once on each database."""
    return request.getfixturevalue(f"services_on_{request.param}")


@pytest.fixture
def root(services: Services) -> Api:
    """The first user, signed in."""
    return services.root


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("services")
