"""Who holds sockets, and what nodes are still to be told."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from dataquality.model.base import Base, Entity, utc_now


class SocketLease(Base):
    """A socket that is open, as far as is known until `until`. `instance` is the process that holds it and renews this.

    A user or a node is online as long as one of its leases lasts.
    """

    __tablename__ = "socketlease"

    sid: Mapped[str] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("authenticatable.id", ondelete="CASCADE"), index=True)
    instance: Mapped[str] = mapped_column(index=True)
    until: Mapped[datetime]


class KillWish(Entity):
    """The container of a result that was ended here, which its node is to end as well; kept until the node did.

    The result and its task are no foreign keys: the wish outlives them. `told` counts how often the node was told.
    """

    __tablename__ = "killwish"
    __table_args__ = (Index(None, "node_id", "next_at"), {"sqlite_autoincrement": True})

    node_id: Mapped[int] = mapped_column(ForeignKey("node.id", ondelete="CASCADE"))
    collaboration_id: Mapped[int]
    organization_id: Mapped[int]
    task_id: Mapped[int]
    result_id: Mapped[int] = mapped_column(index=True, unique=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    told: Mapped[int] = mapped_column(default=0, server_default="0")
    next_at: Mapped[datetime]
