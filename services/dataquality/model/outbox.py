"""Events on their way to the nodes."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dataquality.model.base import Entity, utc_now


class OutboxEvent(Entity):
    """An event to emit, written in the transaction that it tells about.

    `payload` is the list of the event's arguments, so that "no argument" and "null" differ.
    `collaboration_id` is no foreign key: the news that a collaboration is gone outlives it.
    Ids give the order within a collaboration.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_unsent",
            "collaboration_id",
            "id",
            postgresql_where=text("sent_at IS NULL"),
            sqlite_where=text("sent_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    collaboration_id: Mapped[int | None]
    room: Mapped[str]
    event: Mapped[str]
    payload: Mapped[list[Any]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
