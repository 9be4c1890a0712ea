"""Emits what waits in the outbox, in order within each collaboration, at least once."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

import structlog

from dataquality.dispatch.outbox.claims import Claim, Outbox
from dataquality.model import utc_now

log = structlog.stdlib.get_logger(__name__)
# Emitting one event takes less than this, or fails.
_LONGEST_EMIT = timedelta(seconds=5)


class Emitter(Protocol):
    """Where events go."""

    def emit(self, event: str, arguments: Sequence[Any], room: str) -> None:
        """Raises when nobody can be sure to have got it."""
        ...


def drain(outbox: Outbox, emitter: Emitter) -> int:
    """Emit events until none is left that nobody else is busy with; how many. Raises what `emitter` raises."""
    sent = 0
    while (claim := outbox.claim()) is not None:
        sent += _emit_claimed(outbox, claim, emitter)
    return sent


def _emit_claimed(outbox: Outbox, claim: Claim, emitter: Emitter) -> int:
    emitted: list[int] = []
    with _settled(outbox, claim, emitted):
        for event in outbox.events(claim):
            if utc_now() > claim.until - _LONGEST_EMIT:
                break
            emitter.emit(event.event, event.payload, event.room)
            emitted.append(event.id)
            log.debug("event emitted", event_name=event.event, room=event.room, id=event.id)
    return len(emitted)


@contextmanager
def _settled(outbox: Outbox, claim: Claim, emitted: list[int]) -> Generator[None]:
    """Mark what was emitted, also when the next event failed; let others have the rest."""
    try:
        yield
    finally:
        if emitted:
            outbox.mark_sent(emitted)
        if claim.head not in emitted:
            outbox.release(claim)
