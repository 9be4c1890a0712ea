"""The import job on a database of the test's own."""

from pathlib import Path

import pytest

from support.importing import Importer


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
