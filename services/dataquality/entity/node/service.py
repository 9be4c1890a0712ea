"""What is done with nodes."""

from typing import Any

from sqlalchemy import true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.core import audit
from dataquality.core.callers import Caller, forbidden
from dataquality.core.errors import Refused
from dataquality.entity import access
from dataquality.entity.collaboration import repository as collaborations
from dataquality.entity.node import policy, repository
from dataquality.entity.node.keys import NewKey
from dataquality.entity.node.schemas import NewNode, NodeChange
from dataquality.entity.organization import repository as organizations
from dataquality.model import Operation, Scope

_KIND = "node"


async def read(connection: AsyncConnection, caller: Caller, identity: int) -> Any:
    """One node that the caller may see."""
    row = await repository.find(connection, identity, policy.readable_by(caller))
    return access.readable(_KIND, identity, row)


def require_create(caller: Caller, body: NewNode) -> int:
    """The organization of the node to come. Raises Forbidden unless the caller may give it one."""
    organization_id = caller.organization_id if body.organization_id is None else body.organization_id
    access.require(caller, _KIND, Operation.CREATE, organization_id)
    return organization_id


async def create(session: AsyncSession, caller: Caller, body: NewNode, key: NewKey) -> Any:
    """A new node with this key."""
    connection = await session.connection()
    collaboration = await _collaboration_name(connection, body.collaboration_id)
    organization_id = require_create(caller, body)
    await require_place(connection, organization_id, body.collaboration_id)
    values = {
        "name": body.name or await _default_name(connection, organization_id, collaboration),
        "organization_id": organization_id,
        "collaboration_id": body.collaboration_id,
        "api_key_id": key.id,
    }
    identity = await repository.add(connection, values)
    await audit.record(session, caller, "node created", _KIND, identity, _place(values))
    return await repository.find(connection, identity, true())


async def change(session: AsyncSession, caller: Caller, identity: int, body: NodeChange) -> Any:
    """The node after the change."""
    connection = await session.connection()
    before = access.found(_KIND, identity, await repository.find_place(connection, identity))
    policy.require_edit(caller, before, set(body.given()))
    values = _columns(body)
    await _require_move(connection, caller, before, values)
    await repository.change(connection, identity, values)
    return await repository.find(connection, identity, true())


async def move(session: AsyncSession, node: Any, collaboration_id: int) -> None:
    """Put a node into another collaboration of its organization."""
    connection = await session.connection()
    await require_place(connection, node.organization_id, collaboration_id)
    await repository.change(connection, node.id, {"collaboration_id": collaboration_id})


async def replace_key(session: AsyncSession, caller: Caller, identity: int, key: NewKey) -> None:
    """Give a node this key. The old one is void, and with it all tokens that the node got for it."""
    connection = await session.connection()
    node = access.found(_KIND, identity, await repository.find_place(connection, identity))
    access.require(caller, _KIND, Operation.EDIT, node.organization_id)
    await repository.change(connection, identity, {"api_key_id": key.id, "api_key_hash": None})
    await audit.record(session, caller, "node key replaced", _KIND, identity, {"name": node.name})


async def delete(session: AsyncSession, caller: Caller, identity: int) -> None:
    """Delete a node that the caller may delete."""
    connection = await session.connection()
    node = access.found(_KIND, identity, await repository.find_place(connection, identity))
    access.require(caller, _KIND, Operation.DELETE, node.organization_id)
    await remove(session, caller, node)


async def remove(session: AsyncSession, caller: Caller, node: Any) -> None:
    """Delete a node. Its results stay, without it."""
    await repository.remove(await session.connection(), node.id)
    detail = {"name": node.name, "organization_id": node.organization_id, "collaboration_id": node.collaboration_id}
    await audit.record(session, caller, "node deleted", _KIND, node.id, detail)


async def require_place(connection: AsyncConnection, organization_id: int, collaboration_id: int) -> None:
    """Raise Refused unless the organization is in the collaboration and has no node there."""
    if not await collaborations.is_member(connection, collaboration_id, organization_id):
        raise Refused(
            f"The organization {organization_id} is not in the collaboration {collaboration_id}. "
            "Let it join the collaboration first."
        )
    if await repository.node_of(connection, organization_id, collaboration_id) is not None:
        raise Refused(
            f"The organization {organization_id} has a node in the collaboration {collaboration_id} already. "
            "Use that one, or delete it first."
        )


async def _require_move(connection: AsyncConnection, caller: Caller, before: Any, values: dict[str, Any]) -> None:
    organization_id = values.get("organization_id", before.organization_id)
    collaboration_id = values.get("collaboration_id", before.collaboration_id)
    if organization_id != before.organization_id:
        if not await organizations.exists(connection, organization_id):
            raise access.missing("organization", organization_id)
        if not caller.holds(_KIND, Scope.GLOBAL, Operation.EDIT):
            raise forbidden(_KIND, Operation.EDIT)
    if collaboration_id != before.collaboration_id:
        await _collaboration_name(connection, collaboration_id)
        await _require_own_membership(connection, caller, collaboration_id)
    if (organization_id, collaboration_id) != (before.organization_id, before.collaboration_id):
        await require_place(connection, organization_id, collaboration_id)


async def _require_own_membership(connection: AsyncConnection, caller: Caller, collaboration_id: int) -> None:
    if caller.holds(_KIND, Scope.GLOBAL, Operation.EDIT):
        return
    if not await collaborations.is_member(connection, collaboration_id, caller.organization_id):
        raise forbidden(_KIND, Operation.EDIT)


async def _collaboration_name(connection: AsyncConnection, identity: int) -> str:
    return access.found("collaboration", identity, await collaborations.find_name(connection, identity))


async def _default_name(connection: AsyncConnection, organization_id: int, collaboration: str) -> str:
    return f"{await organizations.find_name(connection, organization_id)} - {collaboration} Node"


def _columns(body: NodeChange) -> dict[str, Any]:
    values = body.given()
    if values.pop("clear_ip", False) and "ip" not in values:
        values["ip"] = None
    return values


def _place(values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in ("name", "organization_id", "collaboration_id")}
