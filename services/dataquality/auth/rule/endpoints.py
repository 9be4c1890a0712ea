"""Routes below `rule`."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from dataquality.auth.parts import LinkMaker
from dataquality.auth.rule import repository
from dataquality.auth.rule.render import render
from dataquality.auth.rule.schemas import Filter
from dataquality.core.callers import UserCaller, caller_of
from dataquality.core.errors import NotFound
from dataquality.core.fields import PathId
from dataquality.core.paging import Paging
from dataquality.core.session import ReadConnection

router = APIRouter(prefix="/rule")
_AnyUser = Annotated[UserCaller, caller_of(UserCaller)]


@router.get("")
async def list_rules(
    _caller: _AnyUser, wanted: Filter, page: Paging, links: LinkMaker, connection: ReadConnection
) -> JSONResponse:
    """All rules."""
    rows, total = await repository.listing(wanted).fetch(connection, page)
    return page.response([render(links, row) for row in rows], total)


@router.get("/{rule_id:int}")
async def show_rule(_caller: _AnyUser, rule_id: PathId, links: LinkMaker, connection: ReadConnection) -> JSONResponse:
    """One rule."""
    row = await repository.find(connection, rule_id)
    if row is None:
        raise NotFound(f"There is no rule with the id {rule_id}.")
    return JSONResponse(render(links, row))
