"""Tasks in the database: plain rows, and one query a relation for all rows of a page."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.callers import Caller
from dataquality.core.paging import Listing
from dataquality.core.query import equal, like
from dataquality.dispatch.among import among
from dataquality.dispatch.reach import within_reach
from dataquality.dispatch.task.schemas import TaskFilters
from dataquality.model import Collaboration, Result, ResultStatus, Task, member

UNKNOWN = "unknown"
"""The status of a task without results."""
_FAILED = [status for status in ResultStatus if status.is_failed]
_OPEN = (ResultStatus.ACTIVE, ResultStatus.INITIALIZING, ResultStatus.PENDING)

TASKS = cast(
    Select[Any],
    select(
        Task.id,
        Task.name,
        Task.description,
        Task.image,
        Task.database,
        Task.collaboration_id,
        Task.run_id,
        Task.parent_id,
        Task.initiator_id,
        Task.init_user_id,
        Task.created_at,
        Task.deadline,
    ),
)


@dataclass(frozen=True)
class Summary:
    """What follows from the results of a task."""

    status: str = UNKNOWN
    complete: bool = True
    finished_at: datetime | None = None


def readable_by(caller: Caller) -> ColumnElement[bool]:
    """The tasks that the caller may see."""
    return within_reach(caller, "task")


def task_list(caller: Caller, filters: TaskFilters) -> Listing:
    """The tasks that the caller may see and the filters let through, newest first."""
    conditions = [
        readable_by(caller),
        *equal(Task.initiator_id, filters.initiator_id),
        *equal(Task.init_user_id, filters.init_user_id),
        *equal(Task.collaboration_id, filters.collaboration_id),
        *equal(Task.parent_id, filters.parent_id),
        *equal(Task.run_id, filters.run_id),
        *like(Task.name, filters.name),
        *like(Task.image, filters.image),
        *like(Task.description, filters.description),
        *like(Task.database, filters.database),
        *_of_result(filters.result_id),
        *_with_status(filters.status),
    ]
    return Listing(TASKS, Task.id, conditions, newest_first=True)


async def find_task(connection: AsyncConnection, task_id: int, caller: Caller) -> Any | None:
    """The task's row with `readable` and `is_member` for this caller; None when there is no such task."""
    is_member = Task.collaboration_id.in_(
        select(member.c.collaboration_id).where(member.c.organization_id == caller.organization_id)
    )
    statement = TASKS.add_columns(readable_by(caller).label("readable"), is_member.label("is_member"))
    return (await connection.execute(statement.where(Task.id == task_id))).one_or_none()


async def collaboration_exists(connection: AsyncConnection, collaboration_id: int) -> bool:
    """True if there is such a collaboration."""
    statement = select(Collaboration.id).where(Collaboration.id == collaboration_id)
    return await connection.scalar(statement) is not None


async def summaries(connection: AsyncConnection, task_ids: Sequence[int]) -> dict[int, Summary]:
    """What follows from the results of each of these tasks; tasks without results are left out."""
    statement = (
        select(
            Result.task_id,
            _status().label("status"),
            (func.count() == func.count(Result.finished_at)).label("complete"),
            func.max(Result.finished_at).label("last"),
        )
        .where(among(connection, Result.task_id, task_ids))
        .group_by(Result.task_id)
    )
    return {
        row.task_id: Summary(row.status, bool(row.complete), row.last if row.complete else None)
        for row in await connection.execute(statement)
    }


async def result_ids(connection: AsyncConnection, task_ids: Sequence[int]) -> dict[int, list[int]]:
    """The ids of each task's results."""
    statement = select(Result.task_id, Result.id).where(among(connection, Result.task_id, task_ids))
    return _grouped(await connection.execute(statement.order_by(Result.id)))


async def child_ids(connection: AsyncConnection, task_ids: Sequence[int]) -> dict[int, list[int]]:
    """The ids of each task's direct subtasks."""
    statement = select(Task.parent_id, Task.id).where(among(connection, Task.parent_id, task_ids))
    return _grouped(await connection.execute(statement.order_by(Task.id)))


def _grouped(rows: Any) -> dict[int, list[int]]:
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for owner, identity in rows:
        groups[owner].append(identity)
    return groups


def _status() -> ColumnElement[str]:
    """The status of a task as an aggregate over its results (contract, data-model.md section 2)."""
    return case(
        (func.count() == 0, UNKNOWN),
        (_number_of(*_FAILED) > 0, ResultStatus.FAILED.value),
        *((_number_of(status) > 0, status.value) for status in _OPEN),
        else_=ResultStatus.COMPLETED.value,
    )


def _number_of(*statuses: ResultStatus) -> ColumnElement[int]:
    return func.count(case((Result.status.in_(statuses), 1)))


def _with_status(status: str | None) -> list[ColumnElement[bool]]:
    if status is None:
        return []
    derived = select(_status()).where(Result.task_id == Task.id).correlate(Task).scalar_subquery()
    return [derived == status]


def _of_result(result_id: int | None) -> list[ColumnElement[bool]]:
    if result_id is None:
        return []
    return [Task.id == select(Result.task_id).where(Result.id == result_id).scalar_subquery()]
