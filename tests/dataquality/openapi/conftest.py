"""Services of their own behind a gateway: what is fuzzed is not for others to use."""

from collections.abc import Iterator

import pytest

from support.databases import SqliteFiles
from support.gateway import Server, behind_gateway
from support.services import running_services
from support.valkey import ValkeyServer


@pytest.fixture(scope="module")
def server(
    sqlite_files: SqliteFiles, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with (
        sqlite_files.migrated_database() as url,
        running_services(
            tmp_path_factory.mktemp("fuzzing"), url, valkey_server.database(9), ("auth", "entity", "dispatch")
        ) as services,
        behind_gateway(services) as server,
    ):
        yield server
