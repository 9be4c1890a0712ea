"""The texts of results: the first mebibyte of an answer is read at once, the rest while the answer is sent."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from sqlalchemy import ColumnElement, LargeBinary, Select, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from dataquality.core.bodies import SMALL, Room, room_of_answer
from dataquality.core.context import context_of
from dataquality.core.database import Database, mark_outsized
from dataquality.core.large_texts import LargeTexts
from dataquality.dispatch.among import among
from dataquality.model import ResultContent

Texts = dict[str, str | None]
_Key = tuple[int, str]
NAMES: Final = ("input", "result", "log")
_NONE: Final[Texts] = dict.fromkeys(NAMES)


class ResultTexts:
    """The texts of the results of one answer: see `dataquality.core.large_texts`."""

    def __init__(self, database: Database, room: Room) -> None:
        self._database = database
        self._large = LargeTexts[_Key](self._load, room)

    async def of(self, connection: AsyncConnection, result_ids: Sequence[int]) -> dict[int, Texts]:
        """By result, its texts or the marks that stand for them."""
        rows = await connection.execute(_first_of(connection, result_ids))
        found = {row.result_id: {name: self._shown(row, name) for name in NAMES} for row in rows}
        return {result_id: found.get(result_id, _NONE) for result_id in result_ids}

    def filled(self, response: JSONResponse) -> Response:
        """The answer with the texts in the places of their marks."""
        return self._large.filled(response)

    def _shown(self, row: Any, name: str) -> str | None:
        text, size = getattr(row, name), getattr(row, f"{name}_size")
        return text if text is not None or size is None else self._large.later((row.result_id, name), size)

    async def _load(self, keys: Sequence[_Key]) -> list[str | None]:
        async with self._database.reading() as connection:
            rows = (await connection.execute(_these(connection, keys))).all()
            mark_outsized(connection, max((len(text or "") for row in rows for text in row[1:]), default=0))
        found = {(row.result_id, name): getattr(row, name) for row in rows for name in NAMES}
        return [found.get(key) for key in keys]


def _first_of(connection: AsyncConnection, result_ids: Sequence[int]) -> Select[Any]:
    """The texts and their sizes in bytes; without the texts once a mebibyte has been passed."""
    sizes = {name: _size(connection, getattr(ResultContent, name)) for name in NAMES}
    whole = sum((func.coalesce(size, 0) for size in sizes.values()), start=func.coalesce(0, 0))
    each = (
        select(
            ResultContent,
            *(size.label(f"{name}_size") for name, size in sizes.items()),
            func.sum(whole).over(order_by=ResultContent.result_id).label("passed"),
        )
        .where(among(connection, ResultContent.result_id, result_ids))
        .subquery()
    )
    texts = (case((each.c.passed <= SMALL, each.c[name])).label(name) for name in NAMES)
    return select(each.c.result_id, *texts, *(each.c[f"{name}_size"] for name in NAMES))


def _these(connection: AsyncConnection, keys: Sequence[_Key]) -> Select[Any]:
    asked = {name: [result_id for result_id, column in keys if column == name] for name in NAMES}
    texts = (
        case((among(connection, ResultContent.result_id, ids), getattr(ResultContent, name))).label(name)
        for name, ids in asked.items()
    )
    wanted = among(connection, ResultContent.result_id, sorted({result_id for result_id, _ in keys}))
    return select(ResultContent.result_id, *texts).where(wanted)


def _size(connection: AsyncConnection, column: Any) -> ColumnElement[int]:
    # Postgres knows it without reading the text; SQLite has no such function before 3.43.
    if connection.dialect.name == "sqlite":
        return func.length(cast(column, LargeBinary))
    return func.octet_length(column)


async def _texts(request: Request) -> ResultTexts:
    return ResultTexts(context_of(request).database, room_of_answer(request))


TextsOfAnswer = Annotated[ResultTexts, Depends(_texts)]
"""The texts of the results in the answer to this request."""
