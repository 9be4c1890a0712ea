"""Who works with whom."""

from typing import TYPE_CHECKING

from sqlalchemy import Column, ForeignKey, Table, UniqueConstraint, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dataquality.model.base import Base, Entity

if TYPE_CHECKING:
    from dataquality.model.identity import Node
    from dataquality.model.organization import Organization
    from dataquality.model.task import Task

member = Table(
    "member",
    Base.metadata,
    Column[int]("organization_id", ForeignKey("organization.id", ondelete="CASCADE"), primary_key=True),
    Column[int]("collaboration_id", ForeignKey("collaboration.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class Collaboration(Entity):
    """Organizations that agreed to work together. With it go its nodes, tasks and results."""

    __tablename__ = "collaboration"
    __table_args__ = (UniqueConstraint("name"), {"sqlite_autoincrement": True})

    name: Mapped[str]
    encrypted: Mapped[bool] = mapped_column(default=True, server_default=true())

    organizations: Mapped[list["Organization"]] = relationship(
        secondary="member", back_populates="collaborations", lazy="raise", passive_deletes=True
    )
    nodes: Mapped[list["Node"]] = relationship(back_populates="collaboration", lazy="raise", passive_deletes="all")
    tasks: Mapped[list["Task"]] = relationship(back_populates="collaboration", lazy="raise", passive_deletes="all")
