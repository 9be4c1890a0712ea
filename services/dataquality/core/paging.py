"""Paging in both forms of the contract (section 0.3): headers, and the envelope that `include=metadata` asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from sqlalchemy import BigInteger, ColumnElement, Select, SQLColumnExpression, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.errors import BadRequest

DEFAULT_PER_PAGE = 10
_MOST_DIGITS = 9


@dataclass(frozen=True)
class Page:
    """Which part of a list is wanted. Without `number`: all of it."""

    number: int | None
    per_page: int
    metadata: bool
    path: str
    query: tuple[tuple[str, str], ...]

    def links(self, total: int) -> dict[str, str]:
        """Relation to path and query; `last` is left out when there are no pages, `previous` and `next` at the ends."""
        number = self.number or 1
        pages = -(-total // self.per_page) if self.number is not None else min(total, 1)
        links = {"first": self._link(1)}
        if number > 1:
            links["previous"] = self._link(number - 1)
        links["self"] = self._link(number)
        if number < pages:
            links["next"] = self._link(number + 1)
        if pages:
            links["last"] = self._link(pages)
        return links

    def _link(self, number: int) -> str:
        kept = [(key, value) for key, value in self.query if key not in ("page", "per_page")]
        own = [("page", str(number)), ("per_page", str(self.per_page))] if self.number is not None else []
        query = urlencode([*kept, *own])
        return f"{self.path}?{query}" if query else self.path

    def response(self, items: list[dict[str, Any]], total: int) -> JSONResponse:
        """The answer: a bare list, or the envelope, with the headers of the contract."""
        links = self.links(total)
        headers = {
            "total-count": str(total),
            "Link": ",".join(f"<{link}>; rel={relation}" for relation, link in links.items()),
        }
        body: Any = {"data": items, "links": links} if self.metadata else items
        return JSONResponse(body, headers=headers)


def page_of(request: Request) -> Page:
    """The part of a list that a request asks for."""
    query = tuple(request.query_params.multi_items())
    number = _positive(request, "page")
    # Without a page it says nothing, and so cannot be wrong.
    per_page = None if number is None else _positive(request, "per_page")
    return Page(
        number=number,
        per_page=per_page or DEFAULT_PER_PAGE,
        metadata="metadata" in request.query_params.getlist("include"),
        path=request.url.path,
        query=query,
    )


def _positive(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) >= 1):
        raise BadRequest(f"The query parameter `{name}` must be a whole number from 1; this is {text!r}.")
    return int(text)


Paging = Annotated[Page, Depends(page_of)]


@dataclass(frozen=True)
class Listing:
    """A list that may be asked for whole or by the page: what is shown of its rows, and which rows those are.

    The order is by key, so that it is the same at every asking.
    """

    shown: Select[Any]
    key: SQLColumnExpression[int]
    conditions: Sequence[ColumnElement[bool]]
    newest_first: bool = False

    async def fetch(self, connection: AsyncConnection, page: Page) -> tuple[Sequence[Any], int]:
        """The rows of this page, and how many rows there are in all (counted only where a page was asked for)."""
        if page.number is None:
            rows = await self.whole(connection)
            return rows, len(rows)
        rows = (await connection.execute(self.of_page(page.number, page.per_page))).all()
        return rows, await connection.scalar(select(func.count()).select_from(self._keys().subquery())) or 0

    async def whole(self, connection: AsyncConnection) -> Sequence[Any]:
        """All rows."""
        return (await connection.execute(self._ordered(self.shown.where(*self.conditions)))).all()

    def of_page(self, number: int, per_page: int) -> Select[Any]:
        """The statement for one page.

        Keys first: the rows before a deep page are passed over in an index, and nothing that is shown is read of them.
        """
        passed = literal((number - 1) * per_page, BigInteger)
        keys = self._ordered(self._keys()).limit(per_page).offset(passed).subquery()
        return self._ordered(self.shown.where(self.key.in_(select(keys.c.id))))

    def _keys(self) -> Select[Any]:
        key: ColumnElement[Any] = self.key.label("id")
        return self.shown.with_only_columns(key, maintain_column_froms=True).where(*self.conditions)

    def _ordered(self, statement: Select[Any]) -> Select[Any]:
        return statement.order_by(self.key.desc() if self.newest_first else self.key)
