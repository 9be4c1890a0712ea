"""The events that this service puts into the outbox (contract, events.md section 3)."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.outbox import append_event
from dataquality.core.rooms import room_of
from dataquality.model import OnlineStatus, OutboxEvent


async def announce(session: AsyncSession, collaboration_id: int, event: str, *arguments: Any) -> None:
    """Have the event emitted to the collaboration's room once the session is committed."""
    await append_event(session, event, arguments, room_of(collaboration_id), collaboration_id)


async def announce_status(
    session: AsyncSession,
    status: OnlineStatus,
    collaboration_id: int,
    node_id: int,
    name: str | None,
    organization_id: int,
) -> None:
    """Have it told that a node came or went."""
    news = {"id": node_id, "name": name, "org_id": organization_id}
    await announce(session, collaboration_id, f"node-{status.value}", news)


async def announce_updates(session: AsyncSession, collaboration_id: int, result_ids: Sequence[int]) -> None:
    """Have it told that these results changed."""
    room = room_of(collaboration_id)
    common = {"event": "status_update", "room": room, "collaboration_id": collaboration_id}
    rows = [common | {"payload": [{"result_id": result_id}]} for result_id in result_ids]
    if rows:
        await session.execute(insert(OutboxEvent), rows)


async def announce_kill(session: AsyncSession, collaboration_id: int, ended: Sequence[Any]) -> None:
    """Have the nodes end the containers of these results; nothing when there are none.

    Nodes take an empty list for "end all that runs": it must never go out.
    """
    if ended:
        await announce(session, collaboration_id, "kill_containers", kill_message(collaboration_id, ended))


def kill_message(collaboration_id: int, ended: Iterable[Any]) -> dict[str, Any]:
    """The argument of `kill_containers` for rows with the `id`, `task_id` and `organization_id` of results."""
    kill_list = [{"task_id": row.task_id, "result_id": row.id, "organization_id": row.organization_id} for row in ended]
    return {"collaboration_id": collaboration_id, "kill_list": kill_list}
