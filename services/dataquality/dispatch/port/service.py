"""Ports in the database."""

from typing import Any, cast

from sqlalchemy import ColumnElement, Select, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.core.callers import Caller, NodeCaller
from dataquality.core.errors import Forbidden, NotFound
from dataquality.core.paging import Listing
from dataquality.core.query import equal
from dataquality.dispatch.port.schemas import PortBody, PortFilters
from dataquality.dispatch.reach import within_reach
from dataquality.dispatch.result.repository import find_result
from dataquality.model import AlgorithmPort, Result, Task

_COLUMNS = (AlgorithmPort.id, AlgorithmPort.port, AlgorithmPort.label, AlgorithmPort.result_id)
_PORTS = cast(
    Select[Any],
    select(*_COLUMNS).join(Result, Result.id == AlgorithmPort.result_id).join(Task, Task.id == Result.task_id),
)


def readable_by(caller: Caller) -> ColumnElement[bool]:
    """The ports that the caller may see: a condition on their tasks."""
    return within_reach(caller, "port")


def port_list(caller: Caller, filters: PortFilters) -> Listing:
    """The ports that the caller may see and the filters let through, newest first."""
    conditions = [
        readable_by(caller),
        *equal(Result.task_id, filters.task_id),
        *equal(AlgorithmPort.result_id, filters.result_id),
        *equal(Task.run_id, filters.run_id),
    ]
    return Listing(_PORTS, AlgorithmPort.id, conditions, newest_first=True)


async def find_port(connection: AsyncConnection, port_id: int, caller: Caller) -> Any | None:
    """The port's row with `readable` for this caller; None when there is no such port."""
    statement = _PORTS.add_columns(readable_by(caller).label("readable")).where(AlgorithmPort.id == port_id)
    return (await connection.execute(statement)).one_or_none()


async def require_own(session: AsyncSession, node: NodeCaller, result_id: int) -> None:
    """Raise Forbidden unless the result is the node's own."""
    result = await find_result(await session.connection(), result_id)
    if result is None:
        raise NotFound(f"There is no result with the id {result_id}.")
    _require_own(node, result)


async def open_port(session: AsyncSession, node: NodeCaller, body: PortBody) -> Any:
    """Remember a port that an algorithm on the node has open; its row."""
    await require_own(session, node, body.result_id)
    statement = insert(AlgorithmPort).values(**body.model_dump()).returning(*_COLUMNS)
    return (await session.execute(statement)).one()


async def close_ports(session: AsyncSession, node: NodeCaller, result_id: int) -> None:
    """Forget the ports of a result of the node; there may be none, and the result may be gone."""
    result = await find_result(await session.connection(), result_id)
    if result is not None:
        _require_own(node, result)
        await session.execute(
            delete(AlgorithmPort)
            .where(AlgorithmPort.result_id == result_id)
            .execution_options(synchronize_session=False)
        )


def show(row: Any) -> dict[str, Any]:
    """A port in the contract's shape."""
    return {"id": row.id, "port": row.port, "label": row.label, "result": row.result_id}


def _require_own(node: NodeCaller, result: Any) -> None:
    if (result.organization_id, result.collaboration_id) != (node.organization_id, node.collaboration_id):
        raise Forbidden("A node may only open and close ports of its own results.")
