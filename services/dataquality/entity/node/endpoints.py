"""Routes of nodes."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from dataquality.core.context import context_of
from dataquality.core.idempotency import Once, SecretField
from dataquality.core.paging import Paging
from dataquality.core.session import ReadConnection, WriteSession
from dataquality.entity.fields import Only
from dataquality.entity.lists import links_of, list_of
from dataquality.entity.node import policy, repository, service
from dataquality.entity.node.keys import ApiKeys
from dataquality.entity.node.policy import NodeViewer, Person, Reader, UserOrNode
from dataquality.entity.node.render import node_in
from dataquality.entity.node.schemas import NewNode, NodeChange, NodeFilters
from dataquality.model import Node

router = APIRouter(prefix="/node")
recovery = APIRouter(prefix="/recover")


@router.get("")
async def list_nodes(
    request: Request,
    caller: NodeViewer,
    connection: ReadConnection,
    page: Paging,
    filters: Annotated[NodeFilters, Query()],
) -> JSONResponse:
    """Those that the caller may see."""
    conditions = [policy.readable_by(caller), *repository.matching(filters)]
    return await list_of(connection, page, repository.shown, Node.id, conditions, node_in(links_of(request)))


@router.post("")
async def create_node(request: Request, caller: Person, session: WriteSession, body: NewNode, once: Once) -> Response:
    """A new one; the answer is the only place where its API key is ever shown."""
    keys = context_of(request).part(ApiKeys)

    async def make(key: str) -> JSONResponse:
        row = await service.create(session, caller, body, keys.of(key))
        return JSONResponse(node_in(links_of(request))(row), 201)

    async def still() -> None:
        service.require_create(caller, body)

    return await once.answer_with_secret(session, caller, SecretField("api_key", keys.derive), make, still)


@router.get("/{identity:int}")
async def read_node(request: Request, caller: Reader, connection: ReadConnection, identity: int) -> JSONResponse:
    """One of them."""
    return JSONResponse(node_in(links_of(request))(await service.read(connection, caller, identity)))


@router.patch("/{identity:int}")
async def change_node(
    request: Request, caller: UserOrNode, session: WriteSession, identity: int, body: NodeChange
) -> JSONResponse:
    """Null and absent fields stay as they are."""
    return JSONResponse(node_in(links_of(request))(await service.change(session, caller, identity, body)))


@router.delete("/{identity:int}")
async def delete_node(caller: Person, session: WriteSession, identity: int) -> JSONResponse:
    """Its tokens and its key are worth nothing from now on; its results stay."""
    await service.delete(session, caller, identity)
    return JSONResponse({"msg": f"The node {identity} is deleted."})


@recovery.post("/node")
async def replace_key(request: Request, caller: Person, session: WriteSession, body: Only) -> JSONResponse:
    """A new API key for a node that lost its own, shown here and never again; the old one is void at once."""
    key = context_of(request).part(ApiKeys).new()
    await service.replace_key(session, caller, body.id, key)
    return JSONResponse({"api_key": key.text})
