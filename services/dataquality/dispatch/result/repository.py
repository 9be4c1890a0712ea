"""Results in the database: plain rows without the large texts, and one query a relation for all rows of a page."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.callers import Caller
from dataquality.core.paging import Listing
from dataquality.core.query import between, equal
from dataquality.dispatch.among import among
from dataquality.dispatch.reach import within_reach
from dataquality.dispatch.result.schemas import ResultFilters
from dataquality.model import AlgorithmPort, Authenticatable, Node, NodeConfig, Result, Task

_node: Final = Node.__table__
_identity: Final = Authenticatable.__table__

# The node is the one that the organization has in the collaboration now: one that was made anew works on what the
# one before it left.
RESULTS = cast(
    Select[Any],
    select(
        Result.id,
        Result.task_id,
        Result.organization_id,
        Result.status,
        Result.assigned_at,
        Result.started_at,
        Result.finished_at,
        Task.collaboration_id,
        _node.c.id.label("node_id"),
        _node.c.name.label("node_name"),
        _identity.c.ip.label("node_ip"),
        _identity.c.status.label("node_status"),
    )
    .join(Task, Task.id == Result.task_id)
    .outerjoin(
        _node,
        (_node.c.organization_id == Result.organization_id) & (_node.c.collaboration_id == Task.collaboration_id),
    )
    .outerjoin(_identity, _identity.c.id == _node.c.id),
)


def readable_by(caller: Caller) -> ColumnElement[bool]:
    """The results that the caller may see: a condition on their tasks."""
    return within_reach(caller, "result")


def result_list(caller: Caller, filters: ResultFilters) -> Listing:
    """The results that the caller may see and the filters let through, newest first.

    Those of organizations that have no node in the collaboration are left out, as the contract has it.
    """
    conditions = [
        readable_by(caller),
        _node.c.id.is_not(None),
        *equal(Result.task_id, filters.task_id),
        *equal(Result.organization_id, filters.organization_id),
        *([_node.c.id == filters.node_id] if filters.node_id is not None else []),
        *([Result.finished_at.is_(None)] if filters.state == "open" else []),
        *between(Result.assigned_at, filters.assigned_from, filters.assigned_till),
        *between(Result.started_at, filters.started_from, filters.started_till),
        *between(Result.finished_at, filters.finished_from, filters.finished_till),
        *_with_port(filters.port),
    ]
    return Listing(RESULTS, Result.id, conditions, newest_first=True)


def results_of_task(task_id: int) -> Listing:
    """All results of a task, newest first."""
    return Listing(RESULTS, Result.id, [Result.task_id == task_id], newest_first=True)


def results_of_tasks(connection: AsyncConnection, task_ids: Sequence[int], caller: Caller) -> Select[Any]:
    """The results of these tasks that the caller may see, oldest first."""
    conditions = (among(connection, Result.task_id, task_ids), readable_by(caller))
    return RESULTS.where(*conditions).order_by(Result.id)


async def find_result(connection: AsyncConnection, result_id: int, caller: Caller | None = None) -> Any | None:
    """The result's row, with `readable` where a caller is given; None when there is no such result."""
    statement = RESULTS if caller is None else RESULTS.add_columns(readable_by(caller).label("readable"))
    return (await connection.execute(statement.where(Result.id == result_id))).one_or_none()


async def ports(connection: AsyncConnection, result_ids: Sequence[int]) -> dict[int, list[Any]]:
    """The ports that these results' algorithms have open."""
    statement = (
        select(AlgorithmPort.result_id, AlgorithmPort.id, AlgorithmPort.port, AlgorithmPort.label)
        .where(among(connection, AlgorithmPort.result_id, result_ids))
        .order_by(AlgorithmPort.id)
    )
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in await connection.execute(statement):
        found[row.result_id].append(row)
    return found


async def node_config_ids(connection: AsyncConnection, node_ids: Sequence[int]) -> dict[int, list[int]]:
    """The ids of what these nodes told about themselves."""
    statement = (
        select(NodeConfig.node_id, NodeConfig.id)
        .where(among(connection, NodeConfig.node_id, node_ids))
        .order_by(NodeConfig.id)
    )
    found: defaultdict[int, list[int]] = defaultdict(list)
    for row in await connection.execute(statement):
        found[row.node_id].append(row.id)
    return found


def _with_port(port: int | None) -> list[ColumnElement[bool]]:
    if port is None:
        return []
    return [exists().where(AlgorithmPort.result_id == Result.id, AlgorithmPort.port == port)]
