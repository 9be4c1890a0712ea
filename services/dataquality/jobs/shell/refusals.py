"""What the database refused, in one line for people. Never the driver's whole text: it holds hashes."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Table, UniqueConstraint, inspect
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from dataquality.jobs.shell.tables import metadata

_SECRET = {"password", "api_key_id", "api_key_hash", "otp_secret"}
_SQLITE = re.compile(r"(?P<kind>UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed(: (?P<what>.*))?")


def explained(error: SQLAlchemyError, touched: Sequence[object] = ()) -> str:
    """Why this error came. `touched`: the objects that were to be stored."""
    if isinstance(error, IntegrityError):
        return _of_postgres(error.orig, touched) or _of_sqlite(str(error.orig), touched) or _first_line(error.orig)
    if isinstance(error, DBAPIError):
        return f"{_first_line(error.orig)}."
    if isinstance(error, StatementError):
        return f"a value does not fit: {_first_line(error.orig)}."
    return _first_line(error).partition(" (Background on")[0]


def _of_postgres(error: Any, touched: Sequence[object]) -> str | None:
    diagnosis = getattr(error, "diag", None)
    if diagnosis is None or diagnosis.table_name not in metadata.tables:
        return None
    table = metadata.tables[diagnosis.table_name]
    if diagnosis.column_name:
        return _missing(table, diagnosis.column_name)
    match diagnosis.sqlstate:
        case "23505":
            return _twice(table, _columns_of(table, diagnosis.constraint_name), touched)
        case "23503":
            # "update or delete on table ..." names the table that still refers to it.
            return _dangling(table)
        case _:
            return f"{table.name} does not take a value ({diagnosis.constraint_name})."


def _of_sqlite(said: str, touched: Sequence[object]) -> str | None:
    found = _SQLITE.search(said)
    if found is None:
        return None
    if found["kind"] == "FOREIGN KEY":
        return _dangling(None)
    if found["kind"] == "CHECK":
        return f"a value is not taken ({found['what']})."
    names = [name.strip() for name in found["what"].split(",")]
    table = metadata.tables[names[0].partition(".")[0]]
    columns = [name.partition(".")[2] for name in names]
    return _missing(table, columns[0]) if found["kind"] == "NOT NULL" else _twice(table, columns, touched)


def _missing(table: Table, column: str) -> str:
    name = {"api_key_id": "api_key"}.get(column, column.removesuffix("_id"))
    return f"a {table.name} needs a value for {name}."


def _twice(table: Table, columns: Iterable[str], touched: Sequence[object]) -> str:
    names = list(columns)
    said = " and ".join(f"{name} {_value(table, name, touched)}".strip() for name in names)
    return f"there is another {table.name} with the same {said}; it must be the only one."


def _value(table: Table, column: str, touched: Sequence[object]) -> str:
    """The value that was to be stored, where it is sure which that was."""
    ours = [one for one in touched if table in inspect(one).mapper.tables]
    if column in _SECRET or len(ours) != 1:
        return ""
    key = inspect(ours[0]).mapper.get_property_by_column(table.c[column]).key
    value = inspect(ours[0]).dict.get(key)
    return "" if value is None else repr(value)


def _dangling(table: Table | None) -> str:
    where = f"{table.name} " if table is not None else ""
    return f"{where}refers to something that is not there, or others still refer to what was to go."


def _columns_of(table: Table, constraint: str | None) -> list[str]:
    for one in table.constraints:
        if isinstance(one, UniqueConstraint) and one.name == constraint:
            return [column.name for column in one.columns]
    for index in table.indexes:
        if index.name == constraint:
            return [column.name for column in index.columns]
    return ["id"]


def _first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
