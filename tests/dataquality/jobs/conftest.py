"""The import job on a database of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.databases import Databases
from support.importing import GOOD, Importer


@pytest.fixture
def importer(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Importer:
    """Once on each kind of database."""
    return Importer(database_url, tmp_path, monkeypatch, capsys)


@pytest.fixture
def importer_on_sqlite(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Importer:
    """For what has nothing to do with the kind of database."""
    return Importer(sqlite_url, tmp_path, monkeypatch, capsys)


@pytest.fixture
def imported(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Importer]:
    """A database that GOOD was imported into, once on each kind."""

    def import_good(url: str) -> None:
        assert Importer(url, tmp_path, monkeypatch, capsys).run(GOOD).code == 0

    with databases.prepared_database("imported", import_good) as url:
        yield Importer(url, tmp_path, monkeypatch, capsys)
