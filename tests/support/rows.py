"""Rows written straight into a database, many at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, Table, insert, select

from dataquality.model import Authenticatable, Node, Result, ResultContent, User


@dataclass(frozen=True)
class Rows:
    """Adds rows within one connection's transaction."""

    connection: Connection

    def add(self, entity: Any, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Add rows; their ids."""
        if not rows:
            return []
        table = cast(Table, entity.__table__)
        statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return list(self.connection.execute(statement, list(rows)).scalars())

    def link(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows of a table that links two others."""
        if rows:
            self.connection.execute(insert(table), list(rows))

    def users(self, rows: Sequence[dict[str, Any]], **common: Any) -> list[int]:
        """Add users; their ids. `ip`, `status` and `last_seen` may be among the values."""
        return self._identities(User, "user", [{"password": "-", **row} for row in rows], common)

    def nodes(self, rows: Sequence[dict[str, Any]], **common: Any) -> list[int]:
        """Add nodes, with keys that nobody has; their ids."""
        made = [{"api_key_id": f"{row['organization_id']:032x}{row['collaboration_id']:032x}", **row} for row in rows]
        return self._identities(Node, "node", made, common)

    def results(self, rows: Sequence[dict[str, Any]], text: str = "x") -> list[int]:
        """Add results with contents; their ids."""
        identities = self.add(Result, rows)
        contents = [{"result_id": identity, "input": text, "result": text} for identity in identities]
        self.link(cast(Table, ResultContent.__table__), contents)
        return identities

    def one(self, column: Any, *conditions: Any) -> Any:
        """The one value that fits."""
        return self.connection.execute(select(column).where(*conditions)).scalar_one()

    def _identities(self, entity: Any, kind: str, rows: Sequence[dict[str, Any]], common: dict[str, Any]) -> list[int]:
        own = ("ip", "status", "last_seen")
        heads = [{"type": kind, **common, **{key: row.get(key) for key in own}} for row in rows]
        identities = self.add(Authenticatable, heads)
        rests = [{key: value for key, value in row.items() if key not in own} for row in rows]
        values = [{"id": identity, **rest} for identity, rest in zip(identities, rests, strict=True)]
        self.connection.execute(insert(cast(Table, entity.__table__)), values)
        return identities
