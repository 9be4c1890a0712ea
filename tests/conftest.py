"""Fixtures for all tests: real servers, started when the first test asks for them."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling  # pyright: ignore[reportMissingTypeStubs]

from support.databases import Databases, PostgresServer, SqliteFiles, database_home
from support.valkey import ValkeyServer

# On a starved machine any example may take seconds: the library's 200 ms would turn that into a failure.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

_TOGETHER = (
    # These start instances of their own, and would keep one process busy for the longest of all.
    ("abuse/test_damaged_secrets",),
    ("abuse/",),
    ("contract/",),
    ("dataquality/dispatch/",),
    ("dataquality/auth/",),
    ("dataquality/entity/", "dataquality/permissions/", "dataquality/test_", "dataquality/jobs/shell/test_running"),
    ("dataquality/openapi/",),
)
"""Folders and files whose tests share servers of the session: each process that took some would start its own."""
_LONGEST_FIRST = (
    "abuse/test_slow_connections.py",
    "abuse/test_damaged_secrets.py",
    "end_to_end/test_compose_stack.py",
    "dataquality/dispatch/test_components.py",
    "faults/test_faults.py",
    "contract/test_node_client.py",
    "dataquality/permissions/test_matrix.py",
    "faults/test_compose_faults.py",
    "dataquality/auth/test_recovery.py",
    "end_to_end/test_local_stack.py",
    "end_to_end/test_demo.py",
    "vserver/stack/local/test_driver.py",
    "vserver/commands/test_import.py",
    "vserver/stack/compose/test_driver.py",
    "docs/test_pages.py",
    "vserver/commands/test_shell.py",
    "docs/test_offline.py",
)
"""Files that take a minute or more, with their company: one that began last would keep one process busy alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files are given out in this order (with `--no-loadscope-reorder`)."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(_LONGEST_FIRST)}
    if gone := [str(path) for path in places if not path.exists()]:
        raise pytest.UsageError(f"tests/conftest.py names files that are not there: {', '.join(gone)}")
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Files go to one process together where they share what takes long to start."""
    return _Sharing(config, log) if config.getoption("dist") == "loadfile" else None


class _Sharing(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((company[0] for company in _TOGETHER if any(f"tests/{one}" in file for one in company)), file)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One Postgres server for all tests; give each its own database."""
    # Not in pytest's folder, which is closed to the account that Postgres runs as when we are root.
    with TemporaryDirectory(prefix="dataquality-postgres-", dir=database_home()) as folder:
        server = PostgresServer(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    """Where the tests' SQLite databases lie."""
    return SqliteFiles(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One Valkey server for all tests: a test that stops it starts it again."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Tests that use this run on both databases."""
    return str(request.param)


@pytest.fixture
def databases(database_kind: str, request: pytest.FixtureRequest) -> Databases:
    """Where databases of this kind come from."""
    return request.getfixturevalue("sqlite_files" if database_kind == "sqlite" else "postgres_server")


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated and seeded database of the test's own."""
    with databases.migrated_database() as url:
        yield url


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A database of the test's own, with nothing in it."""
    with databases.empty_database() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A migrated and seeded Postgres database of the test's own."""
    with postgres_server.migrated_database() as url:
        yield url


@pytest.fixture
def sqlite_url(sqlite_files: SqliteFiles) -> Iterator[str]:
    """A migrated and seeded SQLite database of the test's own."""
    with sqlite_files.migrated_database() as url:
        yield url
