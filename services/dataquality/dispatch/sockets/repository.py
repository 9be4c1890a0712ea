"""What the sockets' side reads and writes in the database."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.dispatch.among import among
from dataquality.dispatch.states import steps
from dataquality.model import (
    Authenticatable,
    Collaboration,
    Node,
    NodeConfig,
    Result,
    ResultStatus,
    Task,
    User,
    member,
    utc_now,
)

_node = cast(Table, Node.__table__)
_user = User.__table__
_identity = cast(Table, Authenticatable.__table__)


async def name_of(connection: AsyncConnection, identity: int) -> str:
    """The name of a node or a user."""
    nodes = select(_node.c.name).where(_node.c.id == identity)
    users = select(_user.c.username).where(_user.c.id == identity)
    return await connection.scalar(nodes.union_all(users)) or str(identity)


async def stamps(connection: AsyncConnection, identities: Sequence[int]) -> dict[int, int]:
    """The stamps of those identities that still exist; a stamp changes with the rights."""
    statement = select(_identity.c.id, _identity.c.stamp).where(among(connection, _identity.c.id, identities))
    return {row.id: row.stamp for row in await connection.execute(statement)}


async def collaboration_ids(connection: AsyncConnection, organization_id: int | None = None) -> Sequence[int]:
    """The ids of an organization's collaborations; of all where none is given."""
    statement = select(Collaboration.id).order_by(Collaboration.id)
    if organization_id is not None:
        joined = select(member.c.collaboration_id).where(member.c.organization_id == organization_id)
        statement = statement.where(Collaboration.id.in_(joined))
    return (await connection.scalars(statement)).all()


async def note_ability(session: AsyncSession, node_ids: Sequence[int], *, can_kill: bool) -> None:
    """Note whether these nodes end containers when they are told to."""
    mine = among(await session.connection(), _node.c.id, node_ids)
    unknown = _node.c.can_kill.is_distinct_from(can_kill)
    await session.execute(update(_node).where(mine, unknown).values(can_kill=can_kill))


async def replace_config(session: AsyncSession, node_id: int, entries: Iterable[tuple[str, str]]) -> None:
    """Remember what a node tells about itself, in place of what it told before."""
    await session.execute(delete(NodeConfig).where(NodeConfig.node_id == node_id))
    rows = [{"node_id": node_id, "key": key, "value": value} for key, value in entries]
    if rows:
        await session.execute(insert(NodeConfig), rows)


async def waiting_tasks(connection: AsyncConnection, node_ids: Sequence[int]) -> dict[int, list[int]]:
    """By node, the tasks of which it has an open result that it has not begun, oldest first."""
    statement = (
        select(_node.c.id, Task.id)
        .select_from(_node)
        .join(Result, Result.organization_id == _node.c.organization_id)
        .join(Task, (Task.id == Result.task_id) & (Task.collaboration_id == _node.c.collaboration_id))
        .where(
            among(connection, _node.c.id, node_ids),
            Result.finished_at.is_(None),
            Result.started_at.is_(None),
            Result.status == ResultStatus.PENDING,
        )
        .distinct()
        .order_by(Task.id)
    )
    waiting: defaultdict[int, list[int]] = defaultdict(list)
    for node_id, task_id in await connection.execute(statement):
        waiting[node_id].append(task_id)
    return waiting


async def result_of_node(connection: AsyncConnection, result_id: int, node_id: int) -> Any | None:
    """The result with its task's `run_id`, `parent_id` and `collaboration_id`, if it is this node's; else None."""
    statement = (
        select(
            Result.id,
            Result.task_id,
            Result.organization_id,
            Result.finished_at,
            Task.run_id,
            Task.parent_id,
            Task.collaboration_id,
        )
        .join(Task, Task.id == Result.task_id)
        .join(
            _node,
            (_node.c.organization_id == Result.organization_id) & (_node.c.collaboration_id == Task.collaboration_id),
        )
        .where(Result.id == result_id, _node.c.id == node_id)
    )
    return (await connection.execute(statement)).one_or_none()


async def mark_crashed(session: AsyncSession, result_id: int) -> bool:
    """Remember that the container failed, so that the end that the node sends next means that; False if it ended."""
    sources = [status for status in steps(ResultStatus.CRASHED, starts=False, finishes=False) if status.is_open]
    statement = (
        update(Result)
        .where(Result.id == result_id, Result.finished_at.is_(None), Result.status.in_(sources))
        .values(status=ResultStatus.CRASHED, updated_at=utc_now())
        .returning(Result.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).one_or_none() is not None
