"""Takes the answers of nodes: a result goes from pending to its end and never back.

The fence: a result remembers the newest sign-in of its node that answered for it, and takes nothing from older ones.
So a process that was thought dead, or was started twice, cannot write over what another does since. It works with
existing nodes, which know nothing of it: every start of their process is a sign-in of its own, a refresh of the token
after hours or after a broken connection stays within one, and a node that was restarted and begins its open results
anew takes them over by that. The numbers of sign-ins are the database's; no clock is looked at.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.callers import NodeCaller
from dataquality.core.database import mark_outsized
from dataquality.core.errors import Forbidden, NotFound, Refused
from dataquality.dispatch.ending import end_orphans
from dataquality.dispatch.events import announce
from dataquality.dispatch.kill.wishes import confirm
from dataquality.dispatch.result.repository import find_result
from dataquality.dispatch.result.schemas import ResultPatch
from dataquality.dispatch.states import steps
from dataquality.model import Result, ResultContent, utc_now

_TEXTS = ("result", "log")
_TIMES = ("started_at", "finished_at")


@dataclass(frozen=True)
class Answered:
    """The result's row after the request, whether the request changed it, and why it was refused.

    A refusal is not raised: what the request says about a container that was to be killed is kept all the same.
    """

    row: Any
    changed: bool = False
    refusal: Refused | None = None


async def answer(session: AsyncSession, node: NodeCaller, result_id: int, patch: ResultPatch) -> Answered:
    """Store what a node tells of its result.

    What is there already may be told again; anything else about a result that has ended is refused.
    """
    row = await _own(session, node, result_id)
    told = patch.model_dump(exclude_none=True)
    if row.finished_at is not None and _is_over(patch):
        await confirm(session, result_id)
    if await _is_known(session, row, told):
        return Answered(row)
    if not await _advance(session, node, result_id, patch, told):
        return await _unchanged(session, node, result_id, told)
    await _keep_texts(session, result_id, {key: told[key] for key in _TEXTS if key in told})
    await announce(session, row.collaboration_id, "status_update", {"result_id": result_id})
    if patch.finished_at is not None:
        await end_orphans(session, [row.task_id])
    return Answered(await _own(session, node, result_id), changed=True)


def _is_over(patch: ResultPatch) -> bool:
    """True if the node says that nothing runs for the result any more."""
    return patch.finished_at is not None or (patch.status is not None and not patch.status.is_open)


async def _own(session: AsyncSession, node: NodeCaller, result_id: int) -> Any:
    row = await find_result(await session.connection(), result_id)
    if row is None:
        raise NotFound(f"There is no result with the id {result_id}.")
    if (row.organization_id, row.collaboration_id) != (node.organization_id, node.collaboration_id):
        raise Forbidden("A node may only answer for its own organization, in its own collaboration.")
    return row


async def _advance(
    session: AsyncSession, node: NodeCaller, result_id: int, patch: ResultPatch, told: dict[str, Any]
) -> bool:
    """The one statement that changes a result; False when its state or the fence does not let it."""
    leads_to = steps(patch.status, starts=patch.started_at is not None, finishes=patch.finished_at is not None)
    now = utc_now()
    values: dict[str, Any] = {key: told[key] for key in _TIMES if key in told}
    if patch.finished_at is not None:
        values["received_at"] = now
    statement = (
        update(Result)
        .where(
            Result.id == result_id,
            Result.finished_at.is_(None),
            Result.status.in_(list(leads_to)),
            func.coalesce(Result.sign_in, 0) <= node.sign_in,
        )
        .values(status=_case(leads_to), sign_in=node.sign_in, updated_at=now, **values)
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


async def _unchanged(session: AsyncSession, node: NodeCaller, result_id: int, told: dict[str, Any]) -> Answered:
    """The row as it is now, with a refusal unless it says the same as the request."""
    row = await _own(session, node, result_id)
    if await _is_known(session, row, told):
        return Answered(row)
    return Answered(row, refusal=Refused(await _why_not(session, node, row, told)))


async def _why_not(session: AsyncSession, node: NodeCaller, row: Any, told: dict[str, Any]) -> str:
    if row.finished_at is not None:
        return f"Result {row.id} has ended already ({row.status.value}); it takes no other answer."
    newest = await session.scalar(select(Result.sign_in).where(Result.id == row.id))
    if (newest or 0) > node.sign_in:
        return (
            f"Result {row.id} was taken over by a later sign-in of this node; what an earlier one says of it is "
            "refused. Let only one process of the node run."
        )
    return f"Result {row.id} is {row.status.value!r}; it cannot become {told['status'].value!r}."


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
