"""The auth service alone, on both databases."""

from collections.abc import Iterator

import pytest

from support.arrange import Arrangement
from support.databases import PostgresServer, SqliteFiles
from support.services import Services, running_services
from support.valkey import ValkeyServer

_PARTS = ("auth",)


@pytest.fixture(scope="session")
def auth_on_sqlite(
    sqlite_files: SqliteFiles, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """The auth service on SQLite, for the whole session."""
    folder, redis = tmp_path_factory.mktemp("auth"), valkey_server.database(11)
    with sqlite_files.migrated_database() as url, running_services(folder, url, redis, _PARTS) as services:
        yield services


@pytest.fixture(scope="session")
def auth_on_postgres(
    postgres_server: PostgresServer, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """The auth service on Postgres, for the whole session."""
    folder, redis = tmp_path_factory.mktemp("auth"), valkey_server.database(12)
    with postgres_server.migrated_database() as url, running_services(folder, url, redis, _PARTS) as services:
        yield services


@pytest.fixture(params=["sqlite", "postgres"])
def services(request: pytest.FixtureRequest) -> Services:
    """The auth service, once on each database."""
    return request.getfixturevalue(f"auth_on_{request.param}")


@pytest.fixture
def there(services: Services) -> Arrangement:
    """What is there before the test begins."""
    return Arrangement(services)


@pytest.fixture
def organization(there: Arrangement) -> int:
    """An organization of the test's own."""
    return there.organization()
