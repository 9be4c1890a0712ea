"""Makes and deletes tasks, each with all that belongs to it in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.core.callers import Caller, ContainerCaller, UserCaller
from dataquality.core.database import mark_outsized
from dataquality.core.errors import Forbidden, NotFound, Refused
from dataquality.dispatch.ending import kill_task
from dataquality.dispatch.events import announce
from dataquality.dispatch.task import addressees
from dataquality.dispatch.task.policy import require_scope
from dataquality.dispatch.task.repository import TASKS, collaboration_exists, find_task
from dataquality.dispatch.task.schemas import Addressee, TaskBody
from dataquality.model import Operation, Result, ResultContent, Task, next_run_id, utc_now


@dataclass(frozen=True)
class Origin:
    """Whom a task comes from. `run_id` is None for a task that begins a run of its own."""

    organization_id: int
    user_id: int | None
    run_id: int | None = None
    parent_id: int | None = None
    deadline: datetime | None = None
    """A subtask ends with its parent, if not before."""


async def create(session: AsyncSession, caller: UserCaller | ContainerCaller, body: TaskBody) -> Any:
    """Make the task, its results and their events; the task's row. The checks come in the contract's order."""
    connection = await session.connection()
    if not await collaboration_exists(connection, body.collaboration_id):
        raise NotFound(f"There is no collaboration with the id {body.collaboration_id}.")
    asked = await addressees.find(connection, body)
    await addressees.require_keys(connection, body.collaboration_id, asked)
    if body.deadline is not None and body.deadline <= utc_now():
        raise Refused("The deadline has passed.", {"deadline": "must lie in the future"})
    origin = await _origin(session, caller, body)
    await addressees.require_admission(connection, asked, origin.organization_id, origin.user_id)
    await _require_permission(connection, caller, origin, body)
    task = await _insert_task(session, origin, body)
    await _insert_results(session, task.id, body.organizations, asked)
    await _announce(session, task)
    return task


async def require_still(session: AsyncSession, caller: UserCaller | ContainerCaller, body: TaskBody) -> None:
    """Raise Forbidden where the caller may no longer create this task."""
    origin = await _origin(session, caller, body)
    await _require_permission(await session.connection(), caller, origin, body)


async def _require_permission(
    connection: AsyncConnection, caller: UserCaller | ContainerCaller, origin: Origin, body: TaskBody
) -> None:
    if not await addressees.is_member(connection, origin.organization_id, body.collaboration_id):
        raise Forbidden("Your organization does not belong to this collaboration.")
    if isinstance(caller, UserCaller):
        require_scope(caller, Operation.CREATE, is_member=True)


async def remove(session: AsyncSession, caller: Caller, task_id: int) -> None:
    """Delete the task with its results and subtasks, and have the nodes end what runs of them."""
    row = await find_task(await session.connection(), task_id, caller)
    if row is None:
        raise NotFound(f"There is no task with the id {task_id}.")
    require_scope(caller, Operation.DELETE, is_member=row.is_member)
    await kill_task(session, task_id)
    await session.execute(delete(Task).where(Task.id == task_id).execution_options(synchronize_session=False))


async def _origin(session: AsyncSession, caller: UserCaller | ContainerCaller, body: TaskBody) -> Origin:
    if isinstance(caller, UserCaller):
        return Origin(caller.organization_id, caller.id)
    subject = caller.subject
    if body.image != subject.image:
        raise Forbidden(f"A container may only ask for its own image, {subject.image!r}.")
    if body.collaboration_id != subject.collaboration_id:
        raise Forbidden("A container may only ask within its own collaboration.")
    statement = TASKS.where(Task.id == subject.task_id)
    parent = (await session.execute(statement)).one_or_none()
    if parent is None or parent.collaboration_id != subject.collaboration_id:
        raise Forbidden("The task that this container works for is gone.")
    return Origin(subject.organization_id, parent.init_user_id, parent.run_id, parent.id, parent.deadline)


async def _insert_task(session: AsyncSession, origin: Origin, body: TaskBody) -> Any:
    run_id = origin.run_id if origin.run_id is not None else await next_run_id(await session.connection())
    statement = insert(Task).values(
        name=body.name,
        description=body.description,
        image=body.image,
        database=body.database,
        collaboration_id=body.collaboration_id,
        run_id=run_id,
        parent_id=origin.parent_id,
        initiator_id=origin.organization_id,
        init_user_id=origin.user_id,
        deadline=min((moment for moment in (origin.deadline, body.deadline) if moment is not None), default=None),
    )
    return (await session.execute(statement.returning(*TASKS.selected_columns))).one()


async def _insert_results(
    session: AsyncSession, task_id: int, asked: Sequence[Addressee], nodes: dict[int, int]
) -> None:
    if not asked:
        return
    rows = [{"task_id": task_id, "organization_id": one.id, "node_id": nodes[one.id]} for one in asked]
    made = insert(Result).returning(Result.id, sort_by_parameter_order=True)
    ids = (await session.execute(made, rows)).scalars().all()
    contents = [{"result_id": identity, "input": one.input} for identity, one in zip(ids, asked, strict=True)]
    mark_outsized(await session.connection(), max(len(one.input or "") for one in asked))
    await session.execute(insert(ResultContent), contents)


async def _announce(session: AsyncSession, task: Any) -> None:
    news = {
        "task_id": task.id,
        "run_id": task.run_id,
        "collaboration_id": task.collaboration_id,
        "init_org_id": task.initiator_id,
    }
    await announce(session, task.collaboration_id, "task_created", news)
    await announce(session, task.collaboration_id, "new_task", task.id)
