"""SQL of nodes."""

from typing import Any, cast

from sqlalchemy import ColumnElement, Select, Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.query import MAX_ID, between, equal, like
from dataquality.entity.lists import row_of
from dataquality.entity.node.schemas import NodeFilters
from dataquality.entity.relations import node_config
from dataquality.model import Authenticatable, Node, new_stamp

_identities = cast(Table, Authenticatable.__table__)
_nodes = cast(Table, Node.__table__)
_INHERITED = {"ip"}

shown = cast(
    Select[Any],
    select(
        Node.id,
        Node.name,
        Node.ip,
        Node.status,
        Node.last_seen,
        Node.organization_id,
        Node.collaboration_id,
        node_config,
    ),
)


def matching(filters: NodeFilters) -> list[ColumnElement[bool]]:
    """The query's conditions."""
    return [
        *like(Node.name, filters.name),
        *equal(Node.organization_id, filters.organization_id),
        *equal(Node.collaboration_id, filters.collaboration_id),
        *equal(Node.status, filters.status),
        *equal(Node.ip, filters.ip),
        *between(Node.last_seen, filters.last_seen_from, filters.last_seen_till),
    ]


async def find(connection: AsyncConnection, identity: int, readable: ColumnElement[bool]) -> Any | None:
    """The row with all that is shown of it."""
    return await row_of(connection, shown, Node.id, identity, readable)


async def find_place(connection: AsyncConnection, identity: int) -> Any | None:
    """The row's id, name, organization and collaboration."""
    if identity > MAX_ID:
        return None
    statement = select(_nodes.c.id, _nodes.c.name, _nodes.c.organization_id, _nodes.c.collaboration_id)
    return (await connection.execute(statement.where(_nodes.c.id == identity))).one_or_none()


async def node_of(connection: AsyncConnection, organization_id: int, collaboration_id: int) -> int | None:
    """The id of the organization's node in the collaboration."""
    return await connection.scalar(
        select(_nodes.c.id).where(
            _nodes.c.organization_id == organization_id, _nodes.c.collaboration_id == collaboration_id
        )
    )


async def add(connection: AsyncConnection, values: dict[str, Any]) -> int:
    """Insert; the new id."""
    identity = insert(_identities).values(type="node").returning(_identities.c.id)
    node_id = (await connection.execute(identity)).scalar_one()
    await connection.execute(insert(_nodes).values(id=node_id, **values))
    return node_id


async def change(connection: AsyncConnection, identity: int, values: dict[str, Any]) -> None:
    """Update the given columns. A node that moves, or has another key, is another identity to whoever remembers it."""
    own = {name: value for name, value in values.items() if name not in _INHERITED}
    inherited = {name: value for name, value in values.items() if name in _INHERITED}
    if own:
        await connection.execute(update(_nodes).where(_nodes.c.id == identity).values(own))
    if own.keys() & {"organization_id", "collaboration_id", "api_key_id"}:
        inherited["stamp"] = new_stamp()
    if inherited:
        await connection.execute(update(_identities).where(_identities.c.id == identity).values(inherited))


async def remove(connection: AsyncConnection, identity: int) -> None:
    """Delete it; its results stay without a node."""
    await connection.execute(delete(_identities).where(_identities.c.id == identity))
