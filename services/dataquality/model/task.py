"""What is asked and what comes back."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dataquality.model.base import Base, Entity, short_values, utc_now
from dataquality.model.enums import ResultStatus

if TYPE_CHECKING:
    from dataquality.model.collaboration import Collaboration
    from dataquality.model.identity import Node, User
    from dataquality.model.organization import Organization


_OPEN = text("finished_at IS NULL")
_LIMITED = text("deadline IS NOT NULL")


class Task(Entity):
    """One question to some organizations of a collaboration.

    Tasks that share a `run_id` (a task and its subtasks) share a temporary volume on each node. Whether a
    task is complete, its status and when it finished follow from its results and are not stored.
    After its `deadline` what is open of it is ended.
    """

    __tablename__ = "task"
    # With the id, so that the newest of a collaboration or a user are found without reading the others.
    __table_args__ = (
        Index(None, "collaboration_id", "id"),
        Index(None, "init_user_id", "id"),
        Index("ix_task_deadline", "deadline", postgresql_where=_LIMITED, sqlite_where=_LIMITED),
        {"sqlite_autoincrement": True},
    )

    name: Mapped[str | None]
    description: Mapped[str | None]
    image: Mapped[str | None]
    database: Mapped[str | None]
    collaboration_id: Mapped[int] = mapped_column(ForeignKey("collaboration.id", ondelete="CASCADE"))
    run_id: Mapped[int] = mapped_column(index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), index=True)
    initiator_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id", ondelete="SET NULL"), index=True)
    init_user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    deadline: Mapped[datetime | None]

    collaboration: Mapped["Collaboration"] = relationship(back_populates="tasks", lazy="raise")
    parent: Mapped["Task | None"] = relationship(back_populates="children", remote_side="Task.id", lazy="raise")
    children: Mapped[list["Task"]] = relationship(back_populates="parent", lazy="raise", passive_deletes="all")
    results: Mapped[list["Result"]] = relationship(back_populates="task", lazy="raise", passive_deletes="all")
    initiator: Mapped["Organization | None"] = relationship(back_populates="created_tasks", lazy="raise")
    init_user: Mapped["User | None"] = relationship(back_populates="created_tasks", lazy="raise")


class Result(Entity):
    """The part of one organization in a task. What was asked and answered lies in `ResultContent`.

    `started_at` and `finished_at` are what the node says; `received_at` (of the final answer) and
    `updated_at` are the server's own. `sign_in` is the newest sign-in of the node that answered for it (the id of its
    refresh session: they only grow); older ones may answer no more. `offers` counts how often a run that was lost was
    offered again.
    """

    __tablename__ = "result"
    __table_args__ = (
        Index(None, "organization_id", "finished_at"),
        Index(None, "organization_id", "id"),
        Index(None, "node_id", "finished_at"),
        Index("ix_result_open", "task_id", postgresql_where=_OPEN, sqlite_where=_OPEN),
        {"sqlite_autoincrement": True},
    )

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id", ondelete="RESTRICT"))
    node_id: Mapped[int | None] = mapped_column(ForeignKey("node.id", ondelete="SET NULL"))
    status: Mapped[ResultStatus] = mapped_column(
        short_values(ResultStatus, "status", 32),
        default=ResultStatus.PENDING,
        server_default=ResultStatus.PENDING.value,
    )
    assigned_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    sign_in: Mapped[int | None]
    offers: Mapped[int] = mapped_column(default=0, server_default="0")

    task: Mapped["Task"] = relationship(back_populates="results", lazy="raise")
    organization: Mapped["Organization"] = relationship(back_populates="results", lazy="raise")
    node: Mapped["Node | None"] = relationship(lazy="raise")
    content: Mapped["ResultContent | None"] = relationship(
        back_populates="owner", lazy="raise", cascade="all, delete-orphan", passive_deletes=True
    )
    ports: Mapped[list["AlgorithmPort"]] = relationship(
        back_populates="result", lazy="raise", cascade="all, delete-orphan", passive_deletes=True
    )


class ResultContent(Base):
    """The large texts of a result, apart so that lists of results do not read them."""

    __tablename__ = "resultcontent"

    result_id: Mapped[int] = mapped_column(ForeignKey("result.id", ondelete="CASCADE"), primary_key=True)
    input: Mapped[str | None]
    result: Mapped[str | None]
    log: Mapped[str | None]

    owner: Mapped["Result"] = relationship(back_populates="content", lazy="raise")


class AlgorithmPort(Entity):
    """A port that an algorithm opens to the others of its task."""

    __tablename__ = "algorithmport"
    __table_args__ = (
        CheckConstraint("port BETWEEN 1 AND 65535", name="port"),
        {"sqlite_autoincrement": True},
    )

    port: Mapped[int]
    result_id: Mapped[int] = mapped_column(ForeignKey("result.id", ondelete="CASCADE"), index=True)
    label: Mapped[str | None]

    result: Mapped["Result"] = relationship(back_populates="ports", lazy="raise")
