"""Routes of collaborations. `collaboration/{id}/task` is dispatch's."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.callers import Caller
from dataquality.core.context import context_of
from dataquality.core.idempotency import Once, Still
from dataquality.core.paging import Page, Paging
from dataquality.core.session import ReadConnection, WriteSession
from dataquality.entity.collaboration import policy, repository, service
from dataquality.entity.collaboration.policy import CollaborationViewer, Person, Reader
from dataquality.entity.collaboration.render import collaboration_in
from dataquality.entity.collaboration.schemas import CollaborationChange, CollaborationFilters, NewCollaboration
from dataquality.entity.fields import Only
from dataquality.entity.lists import links_of, list_of
from dataquality.entity.node import repository as nodes
from dataquality.entity.node.render import simple_node_in
from dataquality.entity.organization import repository as organizations
from dataquality.entity.organization.render import organization_in
from dataquality.model import Collaboration, Node, Operation, Organization

router = APIRouter(prefix="/collaboration")


@router.get("")
async def list_collaborations(
    request: Request,
    caller: CollaborationViewer,
    connection: ReadConnection,
    page: Paging,
    filters: Annotated[CollaborationFilters, Query()],
) -> JSONResponse:
    """Those that the caller may see."""
    policy.require_filter(caller, filters.organization_id)
    conditions = [policy.readable_by(caller), *repository.matching(filters)]
    render = collaboration_in(links_of(request))
    return await list_of(connection, page, repository.shown, Collaboration.id, conditions, render)


@router.post("")
async def create_collaboration(
    request: Request, caller: Person, session: WriteSession, body: NewCollaboration, once: Once
) -> Response:
    """A new one. 200 and not 201: the contract has it so."""

    async def make() -> JSONResponse:
        return JSONResponse(collaboration_in(links_of(request))(await service.create(session, caller, body)))

    return await once.answer(session, caller, make, _still(caller, Operation.CREATE))


@router.get("/{identity:int}")
async def read_collaboration(
    request: Request, caller: Reader, connection: ReadConnection, identity: int
) -> JSONResponse:
    """One of them."""
    return JSONResponse(collaboration_in(links_of(request))(await service.read(connection, caller, identity)))


@router.patch("/{identity:int}")
async def change_collaboration(
    request: Request, caller: Person, session: WriteSession, identity: int, body: CollaborationChange
) -> JSONResponse:
    """Null and absent fields stay as they are."""
    row = await service.change(session, caller, identity, body)
    return JSONResponse(collaboration_in(links_of(request))(row))


@router.delete("/{identity:int}")
async def delete_collaboration(
    request: Request, caller: Person, connection: ReadConnection, session: WriteSession, identity: int
) -> JSONResponse:
    """Ends its tasks, then deletes it with its nodes, tasks and results."""
    context = context_of(request)
    await service.end_tasks(connection, caller, identity, context.client, context.settings.dispatch_urls)
    await service.delete(session, caller, identity)
    return JSONResponse({"msg": f"The collaboration {identity} is deleted, with its nodes, tasks and results."})


@router.get("/{identity:int}/organization")
async def list_organizations_of_collaboration(
    request: Request, caller: Reader, connection: ReadConnection, page: Paging, identity: int
) -> JSONResponse:
    """Its members."""
    await service.read(connection, caller, identity)
    return await _members(request, caller, connection, page, identity)


@router.post("/{identity:int}/organization")
async def add_organization_to_collaboration(
    request: Request, caller: Person, session: WriteSession, page: Paging, identity: int, body: Only, once: Once
) -> Response:
    """Its members afterwards."""

    async def make() -> JSONResponse:
        await service.add_organization(session, caller, identity, body.id)
        return await _members(request, caller, await session.connection(), page, identity)

    return await once.answer(session, caller, make, _still(caller, Operation.EDIT))


@router.delete("/{identity:int}/organization")
async def remove_organization_from_collaboration(
    request: Request, caller: Person, session: WriteSession, page: Paging, identity: int, body: Only
) -> JSONResponse:
    """Its members afterwards."""
    await service.remove_organization(session, caller, identity, body.id)
    return await _members(request, caller, await session.connection(), page, identity)


@router.get("/{identity:int}/node")
async def list_nodes_of_collaboration(
    request: Request, caller: Person, connection: ReadConnection, page: Paging, identity: int
) -> JSONResponse:
    """Its nodes."""
    await service.read(connection, caller, identity)
    return await _nodes(request, connection, page, identity)


@router.post("/{identity:int}/node")
async def add_node_to_collaboration(
    request: Request, caller: Person, session: WriteSession, page: Paging, identity: int, body: Only, once: Once
) -> Response:
    """Its nodes afterwards."""

    async def make() -> JSONResponse:
        await service.add_node(session, caller, identity, body.id)
        return await _nodes(request, await session.connection(), page, identity, 201)

    return await once.answer(session, caller, make, _still(caller, Operation.EDIT))


@router.delete("/{identity:int}/node")
async def remove_node_from_collaboration(
    caller: Person, session: WriteSession, identity: int, body: Only
) -> JSONResponse:
    """Deletes the node: none is without a collaboration."""
    await service.remove_node(session, caller, identity, body.id)
    return JSONResponse({"msg": f"The node {body.id} is removed from the collaboration {identity}."})


async def _members(
    request: Request, caller: Caller, connection: AsyncConnection, page: Page, identity: int
) -> JSONResponse:
    conditions = [organizations.in_collaboration(identity)]
    render = organization_in(links_of(request))
    return await list_of(connection, page, organizations.shown_to(caller), Organization.id, conditions, render)


async def _nodes(
    request: Request, connection: AsyncConnection, page: Page, identity: int, status: int = 200
) -> JSONResponse:
    conditions = [Node.collaboration_id == identity]
    render = simple_node_in(links_of(request))
    response = await list_of(connection, page, nodes.shown, Node.id, conditions, render)
    response.status_code = status
    return response


def _still(caller: Person, operation: Operation) -> Still:
    async def still() -> None:
        policy.require_global(caller, operation)

    return still
