"""Paging in both forms of the contract (section 0.3): headers, and the envelope that `include=metadata` asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Select, func, select
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

    def apply(self, statement: Select[Any]) -> Select[Any]:
        """The statement for this page's rows."""
        if self.number is None:
            return statement
        return statement.limit(self.per_page).offset((self.number - 1) * self.per_page)

    async def total(self, connection: AsyncConnection, statement: Select[Any], shown: int) -> int:
        """How many rows there are in all; asks the database only when a page was asked for."""
        if self.number is None:
            return shown
        counted = select(func.count()).select_from(statement.order_by(None).subquery())
        return await connection.scalar(counted) or 0

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


def _page(request: Request) -> Page:
    query = tuple(request.query_params.multi_items())
    number = _positive(request, "page")
    per_page = _positive(request, "per_page")
    return Page(
        number=number,
        per_page=per_page or DEFAULT_PER_PAGE,
        metadata="metadata" in request.query_params.getlist("include"),
        path=request.url.path,
        query=query,
    )


def _positive(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) >= 1):
        raise BadRequest(f"The query parameter `{name}` must be a whole number from 1; this is {text!r}.")
    return int(text)


Paging = Annotated[Page, Depends(_page)]


async def page_of(
    connection: AsyncConnection, page: Page, statement: Select[Any], show: Callable[[Any], dict[str, Any]]
) -> JSONResponse:
    """Run a list statement for one page and answer with its rows as `show` renders them."""
    rows = (await connection.execute(page.apply(statement))).all()
    return page.response([show(row) for row in rows], await page.total(connection, statement, len(rows)))
