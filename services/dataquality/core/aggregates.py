"""To-many relations as one value per row, so that a list takes one statement however long it is."""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import JSON, ColumnElement, FromClause, ScalarSelect, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from dataquality.core.links import NEWEST


class json_list(GenericFunction[Any]):
    """All values of a group as a JSON array; null or an empty array when there are none."""

    type = JSON()
    inherit_cache = True


class json_pair(GenericFunction[Any]):
    """Two values as a JSON array."""

    type = JSON()
    inherit_cache = True


def _spelled(function: type[GenericFunction[Any]], default: str, sqlite: str) -> None:
    def spell(name: str) -> Callable[..., str]:
        def spelled(element: Any, compiler: Any, **options: Any) -> str:
            return f"{name}{compiler.function_argspec(element, **options)}"

        return spelled

    compiles(function)(spell(default))
    compiles(function, "sqlite")(spell(sqlite))


_spelled(json_list, "json_agg", "json_group_array")
_spelled(json_pair, "json_build_array", "json_array")


def ids_of(column: ColumnElement[int], condition: ColumnElement[bool]) -> ScalarSelect[Any]:
    """The ids that the condition joins to each row, in any order."""
    return select(json_list(column)).where(condition).scalar_subquery()


def newest_of(column: ColumnElement[int], condition: ColumnElement[bool], of: FromClause) -> ScalarSelect[Any]:
    """As `ids_of`, for relations that grow without bound: the highest NEWEST ids of each row of `of`.

    With an index on the joining column and the id this costs the same, however many there are.
    """
    newest = select(column.label("id")).where(condition).order_by(column.desc()).limit(NEWEST).correlate(of).subquery()
    return select(json_list(newest.c.id)).scalar_subquery()


def ascending(identities: Iterable[int] | None) -> list[int]:
    """A relation's ids, lowest first."""
    return sorted(identities or ())


def newest_first(identities: Iterable[int] | None) -> list[int]:
    """A relation's ids, highest first."""
    return sorted(identities or (), reverse=True)
