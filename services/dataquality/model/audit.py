"""Who did what, and when."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from dataquality.model.base import Entity, utc_now


class AuditEntry(Entity):
    """One line of the audit trail. The database refuses to change or delete it (triggers see to it).

    No foreign keys: the trail outlives those it speaks of. `detail` holds no secrets.
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index(None, "subject_type", "subject_id"),
        Index(None, "actor_type", "actor_id"),
        {"sqlite_autoincrement": True},
    )

    at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    actor_type: Mapped[str]
    actor_id: Mapped[int | None]
    action: Mapped[str]
    subject_type: Mapped[str | None]
    subject_id: Mapped[int | None]
    detail: Mapped[dict[str, Any] | None]
    request_id: Mapped[str | None]
