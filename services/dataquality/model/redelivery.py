"""Which nodes are to be told of a task again."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from dataquality.model.base import Base


class Redelivery(Base):
    """When the node of a result that it has not begun is told of the task again, and how often it was, by the timer.

    Made when the timer first sees the result wait, and gone when it no longer does.
    """

    __tablename__ = "redelivery"

    result_id: Mapped[int] = mapped_column(
        ForeignKey("result.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    told: Mapped[int] = mapped_column(default=0, server_default="0")
    next_at: Mapped[datetime]
