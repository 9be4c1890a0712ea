"""Which mail is sent next, and what became of it: single statements, as in the outbox.

One claimant at a time sends, so that a mail server that hangs keeps one process of the worker busy and no more.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, exists, insert, or_, select, update
from sqlalchemy.orm import aliased

from dataquality.model import AuditEntry, Mail, utc_now

LEASE = timedelta(seconds=90)
"""After this the mail of a claimant that died is sent by another; well above the longest job."""
KEPT = timedelta(days=7)
"""How long one can see that a mail was sent, and to whom."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=10)
_LONGEST_ERROR = 300
_MANY = 1000


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts: each time twice as long."""
    return min(FIRST_PAUSE * 2 ** min(attempts - 1, 20), LONGEST_PAUSE)


class MailQueue:
    """The waiting mails as one claimant sees them."""

    def __init__(self, engine: Engine, claimant: str) -> None:
        self._engine = engine
        self._claimant = claimant

    def claim(self) -> Any | None:
        """Take the mail that is due longest, unless another is being sent; None when there is nothing to do.

        A row of `id`, `kind`, `user_id`, `recipient`, `subject`, `text`, `html`, `request_id`, `created_at`,
        `attempts` (with this one).
        """
        now = utc_now()
        columns = (Mail.id, Mail.kind, Mail.user_id, Mail.recipient, Mail.subject, Mail.text, Mail.html)
        statement = (
            update(Mail)
            # Outside of the subquery too: a rival may have taken it since.
            .where(Mail.id == _next(now).scalar_subquery(), *_waiting(Mail), _is_free(Mail, now))
            .values(claimed_by=self._claimant, claimed_until=now + LEASE, attempts=Mail.attempts + 1)
            .returning(*columns, Mail.request_id, Mail.created_at, Mail.attempts)
        )
        with self._engine.connect() as connection:
            # Reading costs other writers nothing, also on SQLite: most sweeps find nothing and end here.
            if connection.scalar(_next(now)) is None:
                return None
            return connection.execute(statement).one_or_none()

    def mark_sent(self, mail_id: int) -> None:
        """The mail server took it."""
        self._change(self._mine(mail_id), {"sent_at": utc_now(), "last_error": None} | _ERASED)

    def give_up(self, mail_id: int, error: str) -> None:
        """It can never be sent."""
        self._give_up(error, *self._mine(mail_id))

    def postpone(self, mail_id: int, attempts: int, error: str) -> None:
        """Try this mail again later."""
        values = {"next_attempt_at": utc_now() + pause_after(attempts), "last_error": error[:_LONGEST_ERROR]}
        self._change(self._mine(mail_id), values | _RELEASED)

    def postpone_all(self, mail_id: int, attempts: int, error: str) -> datetime:
        """The mail server does not work: try none before some time; when that is.

        Then another mail comes first: should the fault lie in this one after all, it holds nobody up.
        """
        until = utc_now() + pause_after(attempts)
        self._change((*_waiting(Mail), Mail.next_attempt_at < until), {"next_attempt_at": until})
        values = {"next_attempt_at": until + timedelta(milliseconds=1), "last_error": error[:_LONGEST_ERROR]}
        self._change(self._mine(mail_id), values | _RELEASED)
        return until

    def give_up_expired(self) -> None:
        """Give up what is of no use any more, and erase what it said."""
        now = utc_now()
        self._give_up(None, *_waiting(Mail), Mail.expires_at < now, _is_free(Mail, now))

    def forget_old(self) -> int:
        """Delete what was done longer than KEPT ago; how many."""
        old = select(Mail.id).where(Mail.created_at < utc_now() - KEPT, ~_both(_waiting(Mail))).limit(_MANY)
        forgotten = 0
        with self._engine.connect() as connection:
            while True:
                count = connection.execute(delete(Mail).where(Mail.id.in_(old))).rowcount
                forgotten += count
                if count < _MANY:
                    return forgotten

    def _mine(self, mail_id: int) -> tuple[ColumnElement[bool], ...]:
        return (Mail.id == mail_id, Mail.claimed_by == self._claimant, *_waiting(Mail))

    def _change(self, conditions: Sequence[ColumnElement[bool]], values: dict[str, Any]) -> None:
        with self._engine.connect() as connection:
            connection.execute(update(Mail).where(*conditions).values(**values))

    def _give_up(self, error: str | None, *conditions: ColumnElement[bool]) -> None:
        values: dict[str, Any] = {"given_up_at": utc_now()} | _ERASED
        if error is not None:
            values["last_error"] = error[:_LONGEST_ERROR]
        columns = (Mail.kind, Mail.user_id, Mail.attempts, Mail.last_error, Mail.request_id)
        with self._engine.connect() as connection:
            rows = connection.execute(update(Mail).where(*conditions).values(**values).returning(*columns)).all()
            if rows:
                connection.execute(insert(AuditEntry), [_audit_entry(row) for row in rows])


_RELEASED: dict[str, Any] = {"claimed_by": None, "claimed_until": None}
_ERASED: dict[str, Any] = {"text": None, "html": None} | _RELEASED


def _audit_entry(mail: Any) -> dict[str, Any]:
    return {
        "actor_type": "server",
        "action": "mail_given_up",
        "subject_type": "user",
        "subject_id": mail.user_id,
        "detail": {"kind": mail.kind, "attempts": mail.attempts, "error": mail.last_error},
        "request_id": mail.request_id,
    }


def _next(now: datetime) -> Any:
    mail, other = aliased(Mail), aliased(Mail)
    sends = exists().where(*_waiting(other), other.claimed_until >= now)
    is_due = (*_waiting(mail), mail.next_attempt_at <= now, mail.expires_at >= now)
    return select(mail.id).where(*is_due, ~sends).order_by(mail.next_attempt_at, mail.id).limit(1)


def _waiting(mail: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return mail.sent_at.is_(None), mail.given_up_at.is_(None)


def _both(conditions: tuple[ColumnElement[bool], ColumnElement[bool]]) -> ColumnElement[bool]:
    first, second = conditions
    return first & second


def _is_free(mail: Any, now: datetime) -> ColumnElement[bool]:
    return or_(mail.claimed_until.is_(None), mail.claimed_until < now)
