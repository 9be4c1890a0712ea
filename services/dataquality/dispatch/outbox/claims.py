"""Who may emit the events of a collaboration: a lease on its oldest unsent event, the head.

Nobody emits past an unsent head, so whoever holds it is alone with that collaboration and keeps the order. All is
single statements: no lock is held while events are emitted, and the same statements run on Postgres and SQLite.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, or_, select, update
from sqlalchemy.orm import aliased

from dataquality.model import OutboxEvent, utc_now

LEASE = timedelta(seconds=10)
"""After this the events of a claimant that died are emitted by another; one that lives is done long before."""
BATCH = 100
_CLEANED_AT_ONCE = 5000


@dataclass(frozen=True)
class Claim:
    """The right to emit the events of one collaboration until `until`."""

    head: int
    collaboration_id: int | None
    until: datetime


class Outbox:
    """The outbox as one claimant sees it."""

    def __init__(self, engine: Engine, claimant: str) -> None:
        self._engine = engine
        self._claimant = claimant

    def claim(self) -> Claim | None:
        """Take the head that has waited longest of those that nobody holds; None when there is none."""
        while self._is_head_free():
            now = utc_now()
            claimed = self._take(now)
            if claimed is not None:
                return Claim(claimed.id, claimed.collaboration_id, now + LEASE)
        return None

    def events(self, claim: Claim) -> Sequence[Any]:
        """The oldest unsent events of the claimed collaboration, in order: `id`, `room`, `event`, `payload`."""
        columns = (OutboxEvent.id, OutboxEvent.room, OutboxEvent.event, OutboxEvent.payload)
        same = OutboxEvent.collaboration_id.is_not_distinct_from(claim.collaboration_id)
        statement = select(*columns).where(OutboxEvent.sent_at.is_(None), same, OutboxEvent.id >= claim.head)
        with self._engine.connect() as connection:
            return connection.execute(statement.order_by(OutboxEvent.id).limit(BATCH)).all()

    def mark_sent(self, event_ids: Sequence[int]) -> None:
        """They were emitted."""
        with self._engine.connect() as connection:
            connection.execute(update(OutboxEvent).where(OutboxEvent.id.in_(event_ids)).values(sent_at=utc_now()))

    def release(self, claim: Claim) -> None:
        """Let others try what could not be emitted."""
        mine = (OutboxEvent.id == claim.head, OutboxEvent.claimed_by == self._claimant, OutboxEvent.sent_at.is_(None))
        with self._engine.connect() as connection:
            connection.execute(update(OutboxEvent).where(*mine).values(claimed_until=None))

    def forget_sent(self, age: timedelta) -> int:
        """Delete what was sent longer than `age` ago; how many."""
        old = select(OutboxEvent.id).where(OutboxEvent.sent_at < utc_now() - age).limit(_CLEANED_AT_ONCE)
        forgotten = 0
        with self._engine.connect() as connection:
            while True:
                count = connection.execute(delete(OutboxEvent).where(OutboxEvent.id.in_(old))).rowcount
                forgotten += count
                if count < _CLEANED_AT_ONCE:
                    return forgotten

    def _is_head_free(self) -> bool:
        # Reading costs other writers nothing, also on SQLite: most sweeps find nothing and end here.
        with self._engine.connect() as connection:
            return connection.scalar(_free_head(utc_now())) is not None

    def _take(self, now: datetime) -> Any | None:
        # The conditions stand outside of the subquery too: a rival may have taken or sent the head since.
        statement = (
            update(OutboxEvent)
            .where(
                OutboxEvent.id == _free_head(now).scalar_subquery(),
                OutboxEvent.sent_at.is_(None),
                _is_free(OutboxEvent, now),
            )
            .values(claimed_by=self._claimant, claimed_until=now + LEASE, attempts=OutboxEvent.attempts + 1)
            .returning(OutboxEvent.id, OutboxEvent.collaboration_id)
        )
        with self._engine.connect() as connection:
            return _first(connection, statement)


def _first(connection: Connection, statement: Any) -> Any | None:
    return connection.execute(statement).one_or_none()


def _free_head(now: datetime) -> Any:
    unsent, head = aliased(OutboxEvent), aliased(OutboxEvent)
    heads = select(func.min(unsent.id)).where(unsent.sent_at.is_(None)).group_by(unsent.collaboration_id)
    return select(head.id).where(head.id.in_(heads), _is_free(head, now)).order_by(head.id).limit(1)


def _is_free(event: Any, now: datetime) -> ColumnElement[bool]:
    return or_(event.claimed_until.is_(None), event.claimed_until < now)
