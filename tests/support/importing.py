"""Running the batch import, and looking at all that a database holds."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, Table, select, text

from dataquality.jobs.exporter.command import main as export_main
from dataquality.jobs.importer.command import main
from support.databases import sync_engine

PEPPER = "a-pepper-for-the-tests"
LABEL = "file.yaml"
FIRST_KEY = "123e4567-e89b-12d3-a456-426614174001"
SECOND_KEY = "123e4567-e89b-12d3-a456-426614174002"
GOOD = f"""\
organizations:
  - name: IKNL
    domain: iknl.nl
    zipcode: 54331
    address2:
    users:
      - username: admin
        firstname: Ad
        lastname: Min
        email: admin@iknl.nl
        password: password
    public_key: a2V5
  - name: Small
    users:
      - {{username: stan, password: password, roles: [Viewer]}}
collaborations:
  - name: ZEPPELIN
    participants:
      - name: IKNL
        api_key: {FIRST_KEY}
      - name: Small
        api_key: {SECOND_KEY}
    tasks: [hello-world, hello-moon]
    encrypted: false
"""


@dataclass(frozen=True)
class Outcome:
    """How an import ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """What it said to programs."""
        assert self.code == 0, self.err
        return dict(json.loads(self.out))

    @property
    def lines(self) -> list[str]:
        """What it said to people."""
        return self.err.splitlines()


class Importer:
    """Imports into one database, as the job does in its container."""

    def __init__(
        self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.url = url
        self._capsys = capsys
        self._environment = monkeypatch
        self.secrets = {"database_url": url, "api_key_pepper": PEPPER}
        for name, value in self.secrets.items():
            (folder / name).write_text(value)
        monkeypatch.setenv("DATAQUALITY_SECRETS", str(folder))

    def allow_drop_all(self) -> None:
        """As `allow_drop_all: true` in the configuration does."""
        self._environment.setenv("DATAQUALITY_ALLOW_DROP_ALL", "true")

    def run(self, content: str | bytes, *options: str, label: str = LABEL) -> Outcome:
        """Import this file."""
        given = content.encode() if isinstance(content, str) else content
        code = main(["-", "--label", label, *options], io.BytesIO(given))
        said = self._capsys.readouterr()
        return Outcome(code, said.out, said.err)

    def export(self, form: str = "yaml") -> str:
        """All that is in the database, as a file to import."""
        code = export_main(["--format", form])
        said = self._capsys.readouterr()
        assert code == 0, said
        return str(json.loads(said.out)["content"])

    def refusal(self) -> list[str]:
        """Why the database cannot be exported."""
        code = export_main([])
        said = self._capsys.readouterr()
        assert (code, said.err) == (1, ""), said
        return list(json.loads(said.out)["problems"])

    def execute(self, statement: str, **values: Any) -> None:
        """Change rows."""
        with sync_engine(self.url).begin() as connection:
            connection.execute(text(statement), values)

    def rows(self, table: str, *columns: str) -> list[Any]:
        """Those columns of a table, by ascending id; a column alone is a plain list."""
        return rows(self.url, table, *columns)

    def contents(self) -> dict[str, list[Any]]:
        """All rows of all tables."""
        return contents(self.url)


def contents(url: str) -> dict[str, list[Any]]:
    """All rows of all tables of a migrated database, in an order of their own."""
    with sync_engine(url).connect() as connection:
        tables = _tables(connection)
        return {name: sorted(map(repr, connection.execute(select(table)))) for name, table in tables.items()}


def rows(url: str, name: str, *columns: str) -> list[Any]:
    """Those columns of a table of a migrated database, in the order of its first column."""
    with sync_engine(url).connect() as connection:
        table = _tables(connection)[name]
        found = connection.execute(select(*(table.c[column] for column in columns)).order_by(table.columns[0])).all()
    return [row[0] if len(columns) == 1 else tuple(row) for row in found]


_REFLECTED: dict[str, MetaData] = {}


def _tables(connection: Connection) -> Mapping[str, Table]:
    """The tables as the database itself has them, which is the same for all migrated ones of a kind."""
    kind = connection.dialect.name
    if kind not in _REFLECTED:
        _REFLECTED[kind] = MetaData()
        _REFLECTED[kind].reflect(connection)
    return _REFLECTED[kind].tables
