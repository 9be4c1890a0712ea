"""Tells nodes again of what they have not begun, by the clock: no node acknowledges that it heard of a task.

Runs as a job, which may run twice at once: all is single statements, each with its condition. Each node is told in
its own room, by way of the outbox. What is still in the outbox has not been told once, and is left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, exists, insert, literal, select, update

from dataquality.core.rooms import own_room
from dataquality.model import (
    Authenticatable,
    Node,
    OnlineStatus,
    OutboxEvent,
    Redelivery,
    Result,
    ResultStatus,
    Task,
    utc_now,
)

_LONGEST = timedelta(hours=1)
_MISSED = timedelta(minutes=2)
"""What was due longer ago was due while nobody looked or the node was away: it is put off and not made up for. After
an outage nodes are told of everything when they connect, and must not be told of it twice."""
_AT_ONCE = 100
_node = Node.__table__
_identity = Authenticatable.__table__


@dataclass(frozen=True)
class Redeliveries:
    """The timer. `patience` is how long a node that is connected may leave a task before it is told again."""

    engine: Engine
    patience: timedelta

    def tell_due(self) -> int:
        """Put what is due into the outbox; how many events that was."""
        now = utc_now()
        self._forget()
        self._put_off_missed(now)
        self._note_new(now)
        return sum(self._tell(row, now) for row in self._due(now))

    def _forget(self) -> None:
        waits = exists().where(Result.id == Redelivery.result_id, *_not_begun())
        self._run(delete(Redelivery).where(~waits))

    def _put_off_missed(self, now: datetime) -> None:
        waiting = _waiting(Result.id)
        missed = (Redelivery.next_at < now - _MISSED, Redelivery.result_id.in_(waiting))
        self._run(update(Redelivery).where(*missed).values(next_at=now + self.patience))

    def _note_new(self, now: datetime) -> None:
        half = self.patience / 2
        noted = exists().where(Redelivery.result_id == Result.id)
        new = _waiting(Result.id, literal(now + half, Redelivery.next_at.type))
        new = new.where(~noted, Task.created_at < now - half)
        self._run(insert(Redelivery).from_select(["result_id", "next_at"], new))

    def _due(self, now: datetime) -> Sequence[Any]:
        columns = (Result.id, Result.task_id, Task.collaboration_id, _node.c.id.label("node_id"))
        due = _waiting(*columns, Redelivery.told, Redelivery.next_at)
        due = due.join(Redelivery, Redelivery.result_id == Result.id).where(Redelivery.next_at <= now)
        with self.engine.connect() as connection:
            return connection.execute(due.order_by(Redelivery.next_at, Result.id).limit(_AT_ONCE)).all()

    def _tell(self, row: Any, now: datetime) -> bool:
        """False when another run was faster. A crash between the two statements costs one repetition of many."""
        mine = (Redelivery.result_id == row.id, Redelivery.next_at == row.next_at)
        later = now + pause(self.patience, row.told)
        if not self._run(update(Redelivery).where(*mine).values(told=row.told + 1, next_at=later)):
            return False
        self._run(
            insert(OutboxEvent).values(
                event="new_task",
                payload=[row.task_id],
                room=own_room(row.node_id),
                collaboration_id=row.collaboration_id,
            )
        )
        return True

    def _run(self, statement: Any) -> int:
        with self.engine.connect() as connection:
            return connection.execute(statement).rowcount


def pause(patience: timedelta, told: int) -> timedelta:
    """How long a node that was told so often is left alone: each time twice as long, up to an hour."""
    return min(patience * 2 ** min(told + 1, 20), max(patience, _LONGEST))


def _not_begun() -> tuple[ColumnElement[bool], ...]:
    return (Result.finished_at.is_(None), Result.started_at.is_(None), Result.status == ResultStatus.PENDING)


def _waiting(*columns: Any) -> Any:
    """Results that a node which is connected has not begun, with their tasks and nodes."""
    unsent = exists().where(OutboxEvent.collaboration_id == Task.collaboration_id, OutboxEvent.sent_at.is_(None))
    return (
        select(*columns)
        .select_from(Result)
        .join(Task, Task.id == Result.task_id)
        .join(
            _node,
            (_node.c.organization_id == Result.organization_id) & (_node.c.collaboration_id == Task.collaboration_id),
        )
        .join(_identity, _identity.c.id == _node.c.id)
        .where(*_not_begun(), _identity.c.status == OnlineStatus.ONLINE, ~unsent)
    )
