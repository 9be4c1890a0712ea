"""Ends what is still open: for a kill, for a task that is deleted, for a collaboration that ends."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.dispatch.events import announce_kill
from dataquality.model import Result, ResultStatus, Task, utc_now


def with_descendants(task_id: int) -> Select[Any]:
    """The ids of the task, its subtasks, their subtasks, and so on."""
    tree = select(Task.id).where(Task.id == task_id).cte("tree", recursive=True)
    tree = tree.union_all(select(Task.id).join(tree, Task.parent_id == tree.c.id))
    return select(tree.c.id)


async def end_results(session: AsyncSession, *conditions: ColumnElement[bool]) -> Sequence[Any]:
    """Mark the open results among these as killed, now; rows of `id`, `task_id` and `organization_id`."""
    now = utc_now()
    statement = (
        update(Result)
        .where(Result.finished_at.is_(None), *conditions)
        .values(status=ResultStatus.KILLED, finished_at=now, received_at=now, updated_at=now)
        .returning(Result.id, Result.task_id, Result.organization_id)
        .execution_options(synchronize_session=False)
    )
    return sorted((await session.execute(statement)).all(), key=lambda row: row.id)


async def kill_task(session: AsyncSession, task_id: int, collaboration_id: int) -> int:
    """End the open results of a task and of all below it, and have the nodes end the containers; how many."""
    ended = await end_results(session, Result.task_id.in_(with_descendants(task_id)))
    await announce_kill(session, collaboration_id, ended)
    return len(ended)
