"""What is done with collaborations, and with who is in them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.core import audit
from dataquality.core.callers import Caller
from dataquality.core.client import ServiceClient
from dataquality.core.errors import Refused
from dataquality.entity import access
from dataquality.entity.collaboration import policy, repository
from dataquality.entity.collaboration.schemas import CollaborationChange, NewCollaboration
from dataquality.entity.node import repository as nodes
from dataquality.entity.node import service as node_service
from dataquality.entity.organization import repository as organizations
from dataquality.model import Operation

_KIND = "collaboration"


async def read(connection: AsyncConnection, caller: Caller, identity: int) -> Any:
    """One collaboration that the caller may see."""
    row = await repository.find(connection, identity, policy.readable_by(caller), repository.shown_to(caller))
    return access.readable(_KIND, identity, row)


async def create(session: AsyncSession, caller: Caller, body: NewCollaboration) -> Any:
    """A new collaboration; ids of organizations that do not exist are skipped."""
    connection = await session.connection()
    await _refuse_taken(connection, body.name, None)
    policy.require_global(caller, Operation.CREATE)
    identity = await repository.add(connection, body.name, bool(body.encrypted))
    await repository.add_members(connection, identity, body.organization_ids)
    return await repository.find(connection, identity, true())


async def change(session: AsyncSession, caller: Caller, identity: int, body: CollaborationChange) -> Any:
    """The collaboration after the change; `organization_ids` replaces the members."""
    connection = await session.connection()
    await _require(connection, caller, identity, Operation.EDIT)
    if body.name is not None:
        await _refuse_taken(connection, body.name, identity)
    values = body.given()
    wanted = values.pop("organization_ids", None)
    await repository.change(connection, identity, values)
    if wanted is not None:
        await repository.keep_members(connection, identity, wanted)
        await repository.add_members(connection, identity, wanted)
    return await repository.find(connection, identity, true())


async def end_tasks(
    connection: AsyncConnection, caller: Caller, identity: int, client: ServiceClient, dispatch_urls: Sequence[str]
) -> None:
    """Have dispatch end all that the collaboration's nodes work at.

    Comes before our own transaction: dispatch has one too, and SQLite knows only one at a time.
    """
    await _require(connection, caller, identity, Operation.DELETE)
    first, *more = [f"{url}/internal/collaborations/{identity}/end" for url in dispatch_urls]
    await client.post(first, {}, *more)


async def delete(session: AsyncSession, caller: Caller, identity: int) -> None:
    """Delete the collaboration with its nodes, tasks and results; `end_tasks` comes first."""
    connection = await session.connection()
    name = access.found(_KIND, identity, await repository.find_name(connection, identity))
    await repository.remove(connection, identity)
    await audit.record(session, caller, "collaboration deleted", _KIND, identity, {"name": name})


async def add_organization(session: AsyncSession, caller: Caller, identity: int, organization_id: int) -> None:
    """Let an organization in; nothing happens when it is in."""
    connection = await session.connection()
    await _require(connection, caller, identity, Operation.EDIT)
    await _require_organization(connection, organization_id)
    await repository.add_members(connection, identity, [organization_id])


async def remove_organization(session: AsyncSession, caller: Caller, identity: int, organization_id: int) -> None:
    """Take an organization out; nothing happens when it is out."""
    connection = await session.connection()
    await _require(connection, caller, identity, Operation.DELETE)
    await _require_organization(connection, organization_id)
    await repository.remove_member(connection, identity, organization_id)


async def add_node(session: AsyncSession, caller: Caller, identity: int, node_id: int) -> None:
    """Move a node here from the collaboration that it is in."""
    connection = await session.connection()
    await _require(connection, caller, identity, Operation.EDIT)
    node = access.found("node", node_id, await nodes.find_place(connection, node_id))
    if node.collaboration_id == identity:
        raise Refused(f"The node {node_id} is in the collaboration {identity} already.")
    await node_service.move(session, node, identity)


async def remove_node(session: AsyncSession, caller: Caller, identity: int, node_id: int) -> None:
    """Delete a node of this collaboration: a node is nothing without one. Its results stay."""
    connection = await session.connection()
    await _require(connection, caller, identity, Operation.EDIT)
    node = access.found("node", node_id, await nodes.find_place(connection, node_id))
    if node.collaboration_id != identity:
        raise Refused(f"The node {node_id} is not in the collaboration {identity}.")
    await node_service.remove(session, caller, node)


async def _require(connection: AsyncConnection, caller: Caller, identity: int, operation: Operation) -> None:
    access.found(_KIND, identity, await repository.find_name(connection, identity))
    policy.require_global(caller, operation)


async def _require_organization(connection: AsyncConnection, organization_id: int) -> None:
    if not await organizations.exists(connection, organization_id):
        raise access.missing("organization", organization_id)


async def _refuse_taken(connection: AsyncConnection, name: str, by_other_than: int | None) -> None:
    if await repository.name_is_taken(connection, name, by_other_than):
        raise Refused(f"There is a collaboration named {name!r} already. Choose another name.", {"name": "is taken"})
