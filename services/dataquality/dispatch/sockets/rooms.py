"""Which rooms an identity is in (contract, events.md section 2)."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.callers import Caller, NodeCaller
from dataquality.core.rooms import own_room, room_of
from dataquality.dispatch.sockets.repository import collaboration_ids
from dataquality.model import Operation, Scope

ALL_NODES = "all_nodes"
"""All nodes of the server; who joins it is nobody else's business."""


async def rooms_of(connection: AsyncConnection, caller: Caller) -> list[str]:
    """All rooms for this caller."""
    if isinstance(caller, NodeCaller):
        pair = _pair_room(caller.collaboration_id, caller.organization_id)
        return [ALL_NODES, own_room(caller.id), room_of(caller.collaboration_id), pair]
    scopes = caller.scopes("event", Operation.VIEW)
    if Scope.GLOBAL in scopes:
        return _rooms(await collaboration_ids(connection))
    if Scope.COLLABORATION in scopes:
        return _rooms(await collaboration_ids(connection, caller.organization_id))
    if Scope.ORGANIZATION in scopes:
        joined = await collaboration_ids(connection, caller.organization_id)
        return [_pair_room(collaboration_id, caller.organization_id) for collaboration_id in joined]
    return []


def _rooms(collaborations: Iterable[int]) -> list[str]:
    return [room_of(collaboration_id) for collaboration_id in collaborations]


def _pair_room(collaboration_id: int, organization_id: int) -> str:
    return f"collaboration_{collaboration_id}_organization_{organization_id}"
