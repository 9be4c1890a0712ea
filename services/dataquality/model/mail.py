"""Mail on its way to users."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dataquality.model.base import Entity, utc_now

_WAITING = text("sent_at IS NULL AND given_up_at IS NULL")


class Mail(Entity):
    """A mail to send, written in the transaction that it tells about.

    Once it was sent or given up its `text` and `html` are erased: they may hold a token. Without a `recipient` it was
    given up from the start. `user_id` is no foreign key: the news that a user is gone outlives it.
    """

    __tablename__ = "mail"
    __table_args__ = (
        Index("ix_mail_waiting", "next_attempt_at", "id", postgresql_where=_WAITING, sqlite_where=_WAITING),
        Index(None, "user_id", "kind", "created_at"),
        {"sqlite_autoincrement": True},
    )

    kind: Mapped[str]
    user_id: Mapped[int | None]
    recipient: Mapped[str | None]
    subject: Mapped[str]
    text: Mapped[str | None]
    html: Mapped[str | None]
    request_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    expires_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime] = mapped_column(default=utc_now)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
