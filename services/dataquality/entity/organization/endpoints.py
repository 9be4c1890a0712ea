"""Routes of organizations."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from dataquality.core.idempotency import Once, by_type
from dataquality.core.paging import Paging
from dataquality.core.session import ReadConnection, WriteSession
from dataquality.entity.collaboration import policy as collaboration_policy
from dataquality.entity.collaboration import repository as collaborations
from dataquality.entity.collaboration.render import collaboration_in
from dataquality.entity.lists import links_of, list_of
from dataquality.entity.node import policy as node_policy
from dataquality.entity.node import repository as nodes
from dataquality.entity.node.render import node_in
from dataquality.entity.organization import policy, repository, service
from dataquality.entity.organization.policy import OrganizationCreator, OrganizationViewer, Reader, UserOrNode
from dataquality.entity.organization.render import organization_in
from dataquality.entity.organization.schemas import OrganizationBody, OrganizationFilters
from dataquality.model import Collaboration, Node, Organization

router = APIRouter(prefix="/organization")


@router.get("")
async def list_organizations(
    request: Request,
    caller: OrganizationViewer,
    connection: ReadConnection,
    page: Paging,
    filters: Annotated[OrganizationFilters, Query()],
) -> JSONResponse:
    """Those that the caller may see."""
    own = policy.within_filter(caller, filters.collaboration_id)
    conditions = [policy.readable_by(caller), *own, *repository.matching(filters)]
    render = organization_in(links_of(request))
    return await list_of(connection, page, repository.shown_to(caller), Organization.id, conditions, render)


@router.post("")
async def create_organization(
    request: Request, caller: OrganizationCreator, session: WriteSession, body: OrganizationBody, once: Once
) -> Response:
    """A new one."""

    async def make() -> JSONResponse:
        return JSONResponse(organization_in(links_of(request))(await service.create(session, caller, body)), 201)

    return await once.answer(session, caller, make, by_type)


@router.get("/{identity:int}")
async def read_organization(
    request: Request, caller: Reader, connection: ReadConnection, identity: int
) -> JSONResponse:
    """One of them."""
    return JSONResponse(organization_in(links_of(request))(await service.read(connection, caller, identity)))


@router.patch("/{identity:int}")
async def change_organization(
    request: Request, caller: UserOrNode, session: WriteSession, identity: int, body: OrganizationBody
) -> JSONResponse:
    """Null and absent fields stay as they are."""
    row = await service.change(session, caller, identity, body)
    return JSONResponse(organization_in(links_of(request))(row))


@router.get("/{identity:int}/collaboration")
async def list_collaborations_of_organization(
    request: Request, caller: UserOrNode, connection: ReadConnection, page: Paging, identity: int
) -> JSONResponse:
    """Always a bare list: existing clients take it for one."""
    await service.require_view(connection, caller, "collaboration", identity)
    conditions = [collaboration_policy.readable_by(caller), collaborations.with_member(identity)]
    bare, render = replace(page, metadata=False), collaboration_in(links_of(request))
    return await list_of(connection, bare, collaborations.shown, Collaboration.id, conditions, render)


@router.get("/{identity:int}/node")
async def list_nodes_of_organization(
    request: Request, caller: UserOrNode, connection: ReadConnection, page: Paging, identity: int
) -> JSONResponse:
    """Always a bare list, as above."""
    await service.require_view(connection, caller, "node", identity)
    conditions = [node_policy.readable_by(caller), Node.organization_id == identity]
    bare, render = replace(page, metadata=False), node_in(links_of(request))
    return await list_of(connection, bare, nodes.shown, Node.id, conditions, render)
