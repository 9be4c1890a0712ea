"""Routes below `role`."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.auth.parts import LinkMaker
from dataquality.auth.role import repository, service
from dataquality.auth.role.policy import AnyUser, RoleCreator
from dataquality.auth.role.render import render
from dataquality.auth.role.schemas import Filter, RoleChange, RoleCreation
from dataquality.auth.rule.render import render as render_rule
from dataquality.core.fields import PathId
from dataquality.core.idempotency import Once
from dataquality.core.links import Links
from dataquality.core.paging import Listing, Paging
from dataquality.core.session import ReadConnection, WriteSession

router = APIRouter(prefix="/role")


@router.get("")
async def list_roles(
    caller: AnyUser, wanted: Filter, page: Paging, links: LinkMaker, connection: ReadConnection
) -> JSONResponse:
    """The roles that the caller may see: at least their own."""
    rows, total = await repository.listing(caller, wanted).fetch(connection, page)
    return page.response([render(links, row) for row in rows], total)


@router.post("")
async def create_role(
    caller: RoleCreator, wanted: RoleCreation, links: LinkMaker, session: WriteSession, once: Once
) -> Response:
    """A new role."""

    async def make() -> JSONResponse:
        return JSONResponse(render(links, await service.create(session, caller, wanted)), 201)

    async def still() -> None:
        await service.require_create(await session.connection(), caller, wanted)

    return await once.answer(session, caller, make, still)


@router.get("/{role_id:int}")
async def show_role(caller: AnyUser, role_id: PathId, links: LinkMaker, connection: ReadConnection) -> JSONResponse:
    """One role."""
    row = await service.visible(connection, caller, role_id)
    return JSONResponse(render(links, row))


@router.patch("/{role_id:int}")
async def change_role(
    caller: AnyUser, role_id: PathId, wanted: RoleChange, links: LinkMaker, session: WriteSession
) -> JSONResponse:
    """Change a role."""
    return JSONResponse(render(links, await service.update(session, caller, role_id, wanted)), 200)


@router.delete("/{role_id:int}")
async def delete_role(caller: AnyUser, role_id: PathId, session: WriteSession) -> JSONResponse:
    """Delete a role."""
    await service.remove(session, caller, role_id)
    return JSONResponse({"msg": f"Role {role_id} was deleted."})


@router.get("/{role_id:int}/rule")
async def list_rules_of_role(
    caller: AnyUser, role_id: PathId, page: Paging, links: LinkMaker, connection: ReadConnection
) -> JSONResponse:
    """The rules in a role."""
    rules = await service.rules_in(connection, caller, role_id)
    rows, total = await rules.fetch(connection, page)
    return page.response([render_rule(links, row) for row in rows], total)


@router.post("/{role_id:int}/rule/{rule_id:int}")
async def add_rule(
    caller: AnyUser, role_id: PathId, rule_id: PathId, links: LinkMaker, session: WriteSession, once: Once
) -> Response:
    """Put a rule into a role; the rules that are in it now."""

    async def make() -> JSONResponse:
        return await _rules(session, links, await service.add_rule(session, caller, role_id, rule_id), 201)

    async def still() -> None:
        await service.require_add_rule(await session.connection(), caller, role_id, rule_id)

    return await once.answer(session, caller, make, still)


@router.delete("/{role_id:int}/rule/{rule_id:int}")
async def remove_rule(
    caller: AnyUser, role_id: PathId, rule_id: PathId, links: LinkMaker, session: WriteSession
) -> JSONResponse:
    """Take a rule out of a role; the rules that are left."""
    return await _rules(session, links, await service.remove_rule(session, caller, role_id, rule_id), 200)


async def _rules(session: AsyncSession, links: Links, rules: Listing, status: int) -> JSONResponse:
    rows = await rules.whole(await session.connection())
    return JSONResponse([render_rule(links, row) for row in rows], status)
