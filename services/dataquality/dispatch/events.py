"""The events that this service puts into the outbox (contract, events.md section 3)."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.outbox import append_event
from dataquality.core.rooms import room_of


async def announce(session: AsyncSession, collaboration_id: int, event: str, *arguments: Any) -> None:
    """Have the event emitted to the collaboration's room once the session is committed."""
    await append_event(session, event, arguments, room_of(collaboration_id), collaboration_id)


async def announce_kill(session: AsyncSession, collaboration_id: int, ended: Iterable[Any]) -> None:
    """Have the nodes end the containers of these results; nothing when there are none.

    Nodes take an empty list for "end all that runs": it must never go out.
    """
    kill_list = [{"task_id": row.task_id, "result_id": row.id, "organization_id": row.organization_id} for row in ended]
    if kill_list:
        message = {"collaboration_id": collaboration_id, "kill_list": kill_list}
        await announce(session, collaboration_id, "kill_containers", message)
