"""Events are written in the transaction that they tell about; a worker emits them afterwards. Append only."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.model import OutboxEvent


async def append_event(
    session: AsyncSession, event: str, arguments: Sequence[Any], room: str, collaboration_id: int | None
) -> None:
    """Have `event` emitted to `room` (namespace `/tasks`) with these arguments, once the session is committed."""
    await session.execute(event_row(event, arguments, room, collaboration_id))


def event_row(event: str, arguments: Sequence[Any], room: str, collaboration_id: int | None) -> Insert:
    """The statement behind `append_event`, for jobs that work without an event loop."""
    return insert(OutboxEvent).values(
        event=event, payload=list(arguments), room=room, collaboration_id=collaboration_id
    )
