"""Lists of rows, and single rows, in the shape of one noun."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from sqlalchemy import ColumnElement, Select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from dataquality.core.context import context_of
from dataquality.core.links import Links
from dataquality.core.paging import Listing, Page
from dataquality.core.query import MAX_ID

Render = Callable[[Any], dict[str, Any]]


def links_of(request: Request) -> Links:
    """Link objects below this server's API path."""
    return Links(context_of(request).settings.api_path)


async def list_of(
    connection: AsyncConnection,
    page: Page,
    shown: Select[Any],
    key: InstrumentedAttribute[int],
    conditions: Sequence[ColumnElement[bool]],
    render: Render,
) -> JSONResponse:
    """The rows that meet all conditions, by ascending key: one statement, and one more to count where pages are."""
    rows, total = await Listing(shown, key, conditions).fetch(connection, page)
    return page.response([render(row) for row in rows], total)


async def row_of(
    connection: AsyncConnection,
    shown: Select[Any],
    key: InstrumentedAttribute[int],
    identity: int,
    readable: ColumnElement[bool],
) -> Any | None:
    """The row with that key, and in its column `readable` whether the caller may see it; None when there is none."""
    if identity > MAX_ID:
        return None
    statement = shown.add_columns(readable.label("readable")).where(key == identity)
    return (await connection.execute(statement)).one_or_none()
