"""Ends what runs: in the database at once, on the nodes by an event that is repeated until they did."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.core.callers import Caller
from dataquality.core.errors import NotFound, Refused
from dataquality.dispatch.ending import end_results, kill_task
from dataquality.dispatch.events import announce
from dataquality.dispatch.kill.policy import require_node_kill, require_task_kill
from dataquality.dispatch.kill.told import Told
from dataquality.dispatch.reach import collaborations_of
from dataquality.dispatch.states import Ending
from dataquality.dispatch.task.repository import find_task
from dataquality.model import Authenticatable, Node, OnlineStatus, Result, Task

_node = Node.__table__
_identity = Authenticatable.__table__


async def end_task(session: AsyncSession, caller: Caller, task_id: int) -> Told:
    """End the open results of a task and of all its subtasks."""
    task = await find_task(await session.connection(), task_id, caller)
    if task is None:
        raise NotFound(f"There is no task with the id {task_id}.")
    require_task_kill(caller, task)
    ended = await kill_task(session, task_id)
    if not ended:
        raise Refused("This task is finished already.")
    return Told.of(ended)


async def end_tasks_of_node(session: AsyncSession, caller: Caller, node_id: int) -> Told:
    """End all open results of a node, and have it end whatever it runs: now, or what was open when it is back."""
    node = await _find_node(await session.connection(), caller, node_id)
    if node is None:
        raise NotFound(f"There is no node with the id {node_id}.")
    require_node_kill(caller, node)
    tasks = select(Task.id).where(Task.collaboration_id == node.collaboration_id)
    its_own = (Result.organization_id == node.organization_id, Result.task_id.in_(tasks))
    ended = await end_results(session, Ending.KILLED, *its_own)
    if node.status is OnlineStatus.ONLINE:
        # Also what it runs without our knowing. Never repeated: that could hit what it begins later.
        message = {"collaboration_id": node.collaboration_id, "node_id": node_id}
        await announce(session, node.collaboration_id, "kill_containers", message)
    return Told.of([node, *ended])


async def _find_node(connection: AsyncConnection, caller: Caller, node_id: int) -> Any | None:
    is_member = _node.c.collaboration_id.in_(collaborations_of(caller.organization_id))
    statement = (
        select(
            _node.c.id.label("node_id"),
            _node.c.organization_id,
            _node.c.collaboration_id,
            _node.c.can_kill,
            _identity.c.status,
            is_member.label("is_member"),
        )
        .join(_identity, _identity.c.id == _node.c.id)
        .where(_node.c.id == node_id)
    )
    return (await connection.execute(statement)).one_or_none()
