"""Rows of new things, and writing many of them."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Connection, Table, insert

from dataquality.jobs.importer.document import OrganizationEntry

Rows = list[dict[str, Any]]


def table(model: Any) -> Table:
    """The table of a class of the model."""
    return cast(Table, model.__table__)


def insert_rows(connection: Connection, into: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows, if there are any."""
    if rows:
        connection.execute(insert(into), list(rows))


def insert_for_ids(connection: Connection, into: Table, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Write rows; their ids, in the same order."""
    statement = insert(into).returning(into.c.id, sort_by_parameter_order=True)
    return [int(identity) for identity in connection.scalars(statement, list(rows))]


def organization_row(entry: OrganizationEntry) -> dict[str, Any]:
    """A new organization."""
    details = {key: text.value or None for key, text in entry.details.items()}
    return {"name": entry.name.value, "public_key": entry.public_key, **details}
