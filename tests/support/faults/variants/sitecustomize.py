"""Breaks one part of the product on purpose, in a process that was started with this folder on its path.

`$FAULT_VARIANT` says how. The suite must turn red on each: it is how we know that it could.
"""

import os
from collections.abc import Callable
from typing import Any


def mark_before_emit() -> None:
    """The worker marks events as sent, then emits them."""
    from dataquality.dispatch.outbox import drain

    def emit_claimed(outbox: Any, claim: Any, emitter: Any) -> int:
        events = outbox.events(claim)
        outbox.mark_sent([event.id for event in events])
        for event in events:
            emitter.emit(event.event, event.payload, event.room)
        return len(events)

    drain._emit_claimed = emit_claimed  # pyright: ignore[reportPrivateUsage]


def no_sweep() -> None:
    """Beat never has the outbox drained."""
    from dataquality.dispatch.celery import JobQueue
    from dataquality.dispatch.names import DRAIN_OUTBOX

    sound = JobQueue.beat

    def beat(self: Any, schedule: Any, on_sent: Any) -> Any:
        return sound(self, {job: seconds for job, seconds in schedule.items() if job != DRAIN_OUTBOX}, on_sent)

    JobQueue.beat = beat


def no_conditional_update() -> None:
    """Dispatch looks at a result first, and then changes it whatever has happened to it since."""
    from sqlalchemy import select, update

    from dataquality.dispatch.result import service
    from dataquality.dispatch.states import steps
    from dataquality.model import Result

    async def advance(session: Any, node: Any, result_id: int, patch: Any, told: dict[str, Any]) -> bool:
        leads_to = steps(patch.status, starts=patch.started_at is not None, finishes=patch.finished_at is not None)
        looked = select(Result.finished_at, Result.status).where(Result.id == result_id)
        row = (await session.execute(looked)).one()
        if row.finished_at is not None or row.status not in leads_to:
            return False
        times = {key: told[key] for key in ("started_at", "finished_at") if key in told}
        values = {"status": leads_to[row.status], "sign_in": node.sign_in, **times}
        await session.execute(
            update(Result).where(Result.id == result_id).values(values).execution_options(synchronize_session=False)
        )
        return True

    service._advance = advance  # pyright: ignore[reportPrivateUsage]


VARIANTS: dict[str, Callable[[], None]] = {
    broken.__name__: broken for broken in (mark_before_emit, no_sweep, no_conditional_update)
}

if "FAULT_VARIANT" in os.environ:
    VARIANTS[os.environ["FAULT_VARIANT"]]()
