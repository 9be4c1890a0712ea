"""Tasks and results."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect
from sqlalchemy.orm import Mapped, relationship

from dataquality.jobs.shell.connection import current
from dataquality.jobs.shell.identity import Node
from dataquality.jobs.shell.record import Record
from dataquality.jobs.shell.tables import table
from dataquality.model import ResultStatus, next_run_id_statement

if TYPE_CHECKING:
    from dataquality.jobs.shell.identity import User
    from dataquality.jobs.shell.organization import Collaboration, Organization

_UNKNOWN, _FAILED = "unknown", "failed"
_OPEN = (ResultStatus.ACTIVE, ResultStatus.INITIALIZING, ResultStatus.PENDING)


class Task(Record):
    """One question to some organizations of a collaboration."""

    __table__ = table("task")
    _shown = ("name", "image", "collaboration_id", "run_id")
    _dependents = ("children", "results")

    name: Mapped[str | None]
    description: Mapped[str | None]
    image: Mapped[str | None]
    database: Mapped[str | None]
    collaboration_id: Mapped[int]
    run_id: Mapped[int]
    parent_id: Mapped[int | None]
    initiator_id: Mapped[int | None]
    init_user_id: Mapped[int | None]
    created_at: Mapped[datetime]

    collaboration: Mapped["Collaboration"] = relationship(back_populates="tasks")
    parent: Mapped["Task | None"] = relationship(back_populates="children", remote_side=[table("task").c.id])
    children: Mapped[list["Task"]] = relationship(back_populates="parent", passive_deletes="all")
    results: Mapped[list["Result"]] = relationship(back_populates="task", passive_deletes="all")
    initiator: Mapped["Organization | None"] = relationship(back_populates="created_tasks")
    init_user: Mapped["User | None"] = relationship(back_populates="created_tasks")

    @property
    def complete(self) -> bool:
        """True once all its results are in; of a task without results too."""
        return all(result.complete for result in self.results)

    @property
    def status(self) -> str:
        """How its results stand, in a word."""
        statuses = {result.status for result in self.results}
        if not statuses:
            return _UNKNOWN
        if any(status.is_failed for status in statuses):
            return _FAILED
        return next((status for status in _OPEN if status in statuses), ResultStatus.COMPLETED).value

    @property
    def finished_at(self) -> datetime | None:
        """When the last of its results ended; None while one is open."""
        times = [result.finished_at for result in self.results if result.finished_at is not None]
        return max(times, default=None) if self.complete else None

    @classmethod
    def next_run_id(cls) -> int:
        """A run id that no task has had; tasks that share one share their temporary folder at the nodes."""
        session = current().session
        with session.storing():
            return int(session.execute(next_run_id_statement(session.get_bind().dialect.name)).scalar_one())

    @property
    def has_run_id(self) -> bool:
        """False for a task that was not saved yet and belongs to no run."""
        return inspect(self).dict.get("run_id") is not None

    def results_for_node(self, node: Node) -> list["Result"]:
        """Its results that this node is to work on."""
        if node.collaboration_id != self.collaboration_id:
            return []
        return [result for result in self.results if result.organization_id == node.organization_id]


class Result(Record):
    """The part of one organization in a task. What was asked and answered lies apart, and is read when it is used."""

    __table__ = table("result")
    _shown = ("task_id", "organization_id", "status")

    task_id: Mapped[int]
    organization_id: Mapped[int]
    node_id: Mapped[int | None]
    status: Mapped[ResultStatus]
    assigned_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]

    task: Mapped["Task"] = relationship(back_populates="results")
    organization: Mapped["Organization"] = relationship(back_populates="results")
    ports: Mapped[list["AlgorithmPort"]] = relationship(
        back_populates="result", cascade="all, delete-orphan", passive_deletes=True
    )
    _content: Mapped["ResultContent | None"] = relationship(
        back_populates="owner", cascade="all, delete-orphan", passive_deletes=True
    )

    @property
    def input(self) -> str | None:
        """What the algorithm is asked. A dict or a list that is assigned becomes its JSON text."""
        return self._text("input")

    @input.setter
    def input(self, value: Any) -> None:
        self._own_content().input = json.dumps(value) if isinstance(value, dict | list) else value

    @property
    def result(self) -> str | None:
        """What came back."""
        return self._text("result")

    @result.setter
    def result(self, value: str | None) -> None:
        self._own_content().result = value

    @property
    def log(self) -> str | None:
        """What the algorithm wrote to its console."""
        return self._text("log")

    @log.setter
    def log(self, value: str | None) -> None:
        self._own_content().log = value

    @property
    def complete(self) -> bool:
        """True once it has ended, well or not."""
        return self.finished_at is not None

    @property
    def node(self) -> Node | None:
        """The node that the organization has in the task's collaboration now."""
        return Node.exists(self.organization_id, self.task.collaboration_id)

    def require_content(self) -> None:
        """Make the row that what is asked and answered is written into."""
        self._own_content()

    def _text(self, name: str) -> str | None:
        return getattr(self._content, name) if self._content is not None else None

    def _own_content(self) -> "ResultContent":
        if self._content is None:
            self._content = ResultContent()
        return self._content


class ResultContent(Record):
    """The large texts of a result."""

    __table__ = table("resultcontent")

    id: Mapped[int] = table("resultcontent").c.result_id  # pyright: ignore[reportAssignmentType]
    input: Mapped[str | None]
    result: Mapped[str | None]
    log: Mapped[str | None]

    owner: Mapped["Result"] = relationship(back_populates="_content")


class AlgorithmPort(Record):
    """A port that an algorithm opens to the others of its task."""

    __table__ = table("algorithmport")
    _shown = ("port", "label", "result_id")

    port: Mapped[int]
    label: Mapped[str | None]
    result_id: Mapped[int]

    result: Mapped["Result"] = relationship(back_populates="ports")
