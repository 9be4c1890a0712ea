"""Takes the answers of nodes: a result goes from pending to its end and never back."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.callers import NodeCaller
from dataquality.core.database import mark_outsized
from dataquality.core.errors import Forbidden, NotFound, Refused
from dataquality.dispatch.events import announce
from dataquality.dispatch.result.repository import find_result
from dataquality.dispatch.result.schemas import ResultPatch
from dataquality.dispatch.states import steps
from dataquality.model import Result, ResultContent, utc_now

_TEXTS = ("result", "log")
_TIMES = ("started_at", "finished_at")


@dataclass(frozen=True)
class Answered:
    """The result's row after the request, and whether the request changed it."""

    row: Any
    changed: bool


async def answer(session: AsyncSession, node: NodeCaller, result_id: int, patch: ResultPatch) -> Answered:
    """Store what a node tells of its result.

    What is there already may be told again; anything else about a result that has ended is refused.
    """
    row = await _own(session, node, result_id)
    told = patch.model_dump(exclude_none=True)
    if await _is_known(session, row, told):
        return Answered(row, changed=False)
    if not await _advance(session, result_id, patch, told):
        return Answered(await _unchanged(session, node, result_id, told), changed=False)
    await _keep_texts(session, result_id, {key: told[key] for key in _TEXTS if key in told})
    await announce(session, row.collaboration_id, "status_update", {"result_id": result_id})
    return Answered(await _own(session, node, result_id), changed=True)


async def _own(session: AsyncSession, node: NodeCaller, result_id: int) -> Any:
    row = await find_result(await session.connection(), result_id)
    if row is None:
        raise NotFound(f"There is no result with the id {result_id}.")
    if (row.organization_id, row.collaboration_id) != (node.organization_id, node.collaboration_id):
        raise Forbidden("A node may only answer for its own organization, in its own collaboration.")
    return row


async def _advance(session: AsyncSession, result_id: int, patch: ResultPatch, told: dict[str, Any]) -> bool:
    """The one statement that changes a result; False when the result is not in a state to be changed so."""
    leads_to = steps(patch.status, starts=patch.started_at is not None, finishes=patch.finished_at is not None)
    now = utc_now()
    values: dict[str, Any] = {key: told[key] for key in _TIMES if key in told}
    if patch.finished_at is not None:
        values["received_at"] = now
    statement = (
        update(Result)
        .where(Result.id == result_id, Result.finished_at.is_(None), Result.status.in_(list(leads_to)))
        .values(status=_case(leads_to), updated_at=now, **values)
        .returning(Result.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).one_or_none() is not None


def _case(leads_to: dict[Any, Any]) -> Any:
    return case({source: target.value for source, target in leads_to.items()}, value=Result.status)


async def _keep_texts(session: AsyncSession, result_id: int, texts: dict[str, str]) -> None:
    if texts:
        mark_outsized(await session.connection(), sum(map(len, texts.values())))
        await session.execute(
            update(ResultContent)
            .where(ResultContent.result_id == result_id)
            .values(texts)
            .execution_options(synchronize_session=False)
        )


async def _unchanged(session: AsyncSession, node: NodeCaller, result_id: int, told: dict[str, Any]) -> Any:
    """The row as it is now, when it says the same as the request; else the refusal."""
    row = await _own(session, node, result_id)
    if await _is_known(session, row, told):
        return row
    if row.finished_at is not None:
        raise Refused(f"Result {result_id} has ended already ({row.status.value}); it takes no other answer.")
    raise Refused(f"Result {result_id} is {row.status.value!r}; it cannot become {told['status'].value!r}.")


async def _is_known(session: AsyncSession, row: Any, told: dict[str, Any]) -> bool:
    """True if the result says all this already."""
    if any(getattr(row, key) != told[key] for key in ("status", *_TIMES) if key in told):
        return False
    texts = {key: told[key] for key in _TEXTS if key in told}
    if not texts:
        return True
    if not await _are_as_long(session, row.id, texts):
        return False
    same = [getattr(ResultContent, key) == text for key, text in texts.items()]
    statement = select(ResultContent.result_id).where(ResultContent.result_id == row.id, *same)
    return await session.scalar(statement) is not None


async def _are_as_long(session: AsyncSession, result_id: int, texts: dict[str, str]) -> bool:
    """True if the texts that are there have the same lengths: asked first, for a large one is not sent for nothing."""
    lengths = [func.length(getattr(ResultContent, key)).label(key) for key in texts]
    there = (await session.execute(select(*lengths).where(ResultContent.result_id == result_id))).one_or_none()
    return there is not None and all(getattr(there, key) == len(text) for key, text in texts.items())
