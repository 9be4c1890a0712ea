"""What nodes are still to kill: kept until they did, and told again when they connect and by the clock.

Always as a list of results, each of which has ended here and never runs again: so no repetition can hit a later run.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.core.outbox import append_event
from dataquality.core.rooms import own_room
from dataquality.dispatch.events import kill_message
from dataquality.model import Authenticatable, KillWish, Node, OnlineStatus, utc_now

_PAUSE = timedelta(minutes=1)
_MOST = 5
"""So often a node that is connected is told again, with pauses that double: a node that never ran it has nothing to
confirm."""
_LONGEST = timedelta(days=30)
_AT_ONCE = 1000
_node = Node.__table__
_identity = Authenticatable.__table__


async def wish(session: AsyncSession, ended: Iterable[Any]) -> None:
    """Keep what the nodes of these results were just told."""
    later = utc_now() + _PAUSE
    wishes = [
        {
            "node_id": row.node_id,
            "collaboration_id": row.collaboration_id,
            "organization_id": row.organization_id,
            "task_id": row.task_id,
            "result_id": row.id,
            "next_at": later,
        }
        for row in ended
        if row.node_id is not None
    ]
    if wishes:
        await session.execute(insert(KillWish), wishes)


async def confirm(session: AsyncSession, result_id: int) -> None:
    """The node says that the container is no more."""
    await session.execute(delete(KillWish).where(KillWish.result_id == result_id))


async def wishes_before(connection: AsyncConnection, node_id: int, moment: datetime) -> list[dict[str, Any]]:
    """What a node was to kill before it connected, as the argument of `kill_containers`; at most one."""
    mine = (KillWish.node_id == node_id, KillWish.created_at < moment)
    rows = (await connection.execute(select(*_COLUMNS).where(*mine))).all()
    return list(_messages(rows).values())


async def tell_again(session: AsyncSession) -> int:
    """Put what is due into the outbox; how many nodes are told."""
    told: list[Any] = []
    for times in range(_MOST):
        told += await _claim(session, times)
    messages = _messages(told)
    for node_id, message in messages.items():
        await append_event(session, "kill_containers", [message], own_room(node_id), message["collaboration_id"])
    return len(messages)


async def is_due(connection: AsyncConnection) -> bool:
    """True if a node is to be told again, or a wish to be forgotten."""
    due = KillWish.id.in_(_due()) & (KillWish.told < _MOST)
    statement = select(KillWish.id).where(or_(due, _worn_out())).limit(1)
    return await connection.scalar(statement) is not None


async def forget(session: AsyncSession) -> None:
    """Delete what was told often enough, or is of no use any more."""
    await session.execute(delete(KillWish).where(_worn_out()))


_COLUMNS = (
    KillWish.node_id,
    KillWish.collaboration_id,
    KillWish.organization_id,
    KillWish.task_id,
    KillWish.result_id.label("id"),
)


async def _claim(session: AsyncSession, times: int) -> Sequence[Any]:
    # The conditions that a rival changes stand at the row itself: of two, one tells.
    now = utc_now()
    statement = (
        update(KillWish)
        .where(KillWish.id.in_(_due()), KillWish.next_at <= now, KillWish.told == times)
        .values(told=times + 1, next_at=now + _PAUSE * 2 ** (times + 1))
        .returning(*_COLUMNS)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).all()


def _due() -> Any:
    """Wishes of nodes that are connected, and not known to be unable to kill."""
    return (
        select(KillWish.id)
        .join(_node, _node.c.id == KillWish.node_id)
        .join(_identity, _identity.c.id == KillWish.node_id)
        .where(
            KillWish.next_at <= utc_now(),
            _identity.c.status == OnlineStatus.ONLINE,
            _node.c.can_kill.is_not(False),
        )
        .limit(_AT_ONCE)
    )


def _worn_out() -> Any:
    now = utc_now()
    return or_((KillWish.told >= _MOST) & (KillWish.next_at <= now), KillWish.created_at < now - _LONGEST)


def _messages(rows: Iterable[Any]) -> dict[int, dict[str, Any]]:
    grouped: defaultdict[int, list[Any]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        grouped[row.node_id].append(row)
    return {node_id: kill_message(wishes[0].collaboration_id, wishes) for node_id, wishes in grouped.items()}
