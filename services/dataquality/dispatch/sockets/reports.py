"""What nodes report over their sockets. Who and where they are is known from the session, never from the payload."""

from collections.abc import Iterator
from typing import Any, cast

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.callers import NodeCaller
from dataquality.core.query import MAX_ID
from dataquality.dispatch.events import announce
from dataquality.dispatch.kill.wishes import confirm
from dataquality.dispatch.sockets.repository import mark_crashed, replace_config, result_of_node
from dataquality.model import ResultStatus

log = structlog.stdlib.get_logger(__name__)
_MOST_ENTRIES = 1000
_LONGEST_TEXT = 10_000


async def describe(session: AsyncSession, node: NodeCaller, told: Any) -> None:
    """`node_info_update`: what the node tells about itself replaces what it told before."""
    if not isinstance(told, dict):
        log.info("a node's description was no map", node=node.id)
        return
    entries = [entry for entry in _entries(cast(dict[Any, Any], told)) if "\x00" not in entry[0] + entry[1]]
    await replace_config(session, node.id, entries[:_MOST_ENTRIES])


async def algorithm_changed(session: AsyncSession, node: NodeCaller, told: Any) -> None:
    """`algorithm_status_change` of newer nodes: pass it on; they PATCH the status beside it."""
    result, status = await _own_result(session, node, told), _status(told)
    if result is None or status is None:
        log.info("a node's report was not understood", node=node.id)
        return
    await _pass_on(session, node, result, status)
    if not status.is_open and result.finished_at is not None:
        await confirm(session, result.id)
    if status.is_failed:
        await announce(session, result.collaboration_id, "container_failed", result.run_id)


async def container_failed(session: AsyncSession, node: NodeCaller, told: Any) -> None:
    """`container_failed` of older nodes, before they PATCH the result without a status: keep it, and pass it on."""
    result = await _own_result(session, node, told)
    if result is None:
        log.info("a node's report was not understood", node=node.id)
        return
    if await mark_crashed(session, result.id):
        await announce(session, result.collaboration_id, "status_update", {"result_id": result.id})
    await announce(session, result.collaboration_id, "container_failed", result.run_id)
    await _pass_on(session, node, result, ResultStatus.CRASHED)


async def _pass_on(session: AsyncSession, node: NodeCaller, result: Any, status: ResultStatus) -> None:
    news = {
        "status": status.value,
        "result_id": result.id,
        "task_id": result.task_id,
        "run_id": result.run_id,
        "collaboration_id": result.collaboration_id,
        "node_id": node.id,
        "organization_id": result.organization_id,
        "parent_id": result.parent_id,
    }
    await announce(session, result.collaboration_id, "algorithm_status_change", news)


async def _own_result(session: AsyncSession, node: NodeCaller, told: Any) -> Any | None:
    result_id = cast(dict[Any, Any], told).get("result_id") if isinstance(told, dict) else None
    if not isinstance(result_id, int) or not 1 <= result_id <= MAX_ID:
        return None
    return await result_of_node(await session.connection(), result_id, node.id)


def _status(told: Any) -> ResultStatus | None:
    try:
        return ResultStatus(told["status"])
    except (KeyError, ValueError):
        return None


def _entries(told: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    for key, value in told.items():
        for item in cast(list[Any], value) if isinstance(value, list) else [value]:
            yield str(key)[:_LONGEST_TEXT], _text(item)[:_LONGEST_TEXT]


def _text(value: Any) -> str:
    # The contract has booleans as 0 and 1.
    return str(int(value)) if isinstance(value, bool) else str(value)
