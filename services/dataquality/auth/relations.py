"""To-many links of the rows of a page: one query a relation, whatever the number of rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

Column = ColumnElement[Any] | InstrumentedAttribute[Any]
Statement = Select[*tuple[Any, ...]]
"""A query for plain rows."""
# Databases take tens of thousands of values in one statement, not more.
_AT_ONCE = 10_000


async def linked(
    connection: AsyncConnection, owner: Column, item: Column, owners: Sequence[int], newest: int | None = None
) -> dict[int, list[int]]:
    """The items of each owner in the order of their ids; only the `newest` ones, if a number is given."""
    found: dict[int, list[int]] = {identity: [] for identity in owners}
    for start in range(0, len(owners), _AT_ONCE):
        statement = _statement(owner, item, owners[start : start + _AT_ONCE], newest)
        for row in await connection.execute(statement):
            found[row.owner].append(row.item)
    return found


def _statement(owner: Column, item: Column, owners: Sequence[int], newest: int | None) -> Statement:
    columns = (owner.label("owner"), item.label("item"))
    if newest is None:
        return select(*columns).where(owner.in_(owners)).order_by(item)
    rank = func.row_number().over(partition_by=owner, order_by=item.desc()).label("rank")
    ranked = select(*columns, rank).where(owner.in_(owners)).subquery()
    return select(ranked.c.owner, ranked.c.item).where(ranked.c.rank <= newest).order_by(ranked.c.item)
