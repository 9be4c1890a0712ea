"""Nodes, tasks and results on a real database in this process, and a clock that can be turned on.

Everything goes through the functions that the routes, the sockets and the clock's job call. Time passes by putting
back, by the same time, every moment that the server noted itself; what nodes sent as times stays.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.callers import ContainerCaller, NodeCaller, UserCaller
from dataquality.core.database import Database
from dataquality.core.errors import ApiError
from dataquality.core.permissions import Grant, Permissions
from dataquality.core.settings import LostRunSettings
from dataquality.core.tokens import ContainerSubject
from dataquality.dispatch.kill import service as kills
from dataquality.dispatch.result import service as results
from dataquality.dispatch.result.schemas import ResultPatch
from dataquality.dispatch.sockets import leases
from dataquality.dispatch.task import service as tasks
from dataquality.dispatch.task.schemas import TaskBody
from dataquality.dispatch.watch.sweep import sweep
from dataquality.dispatch.watch.uptime import note_up
from dataquality.model import (
    Authenticatable,
    Collaboration,
    KillWish,
    Operation,
    Organization,
    OutboxEvent,
    Result,
    ResultContent,
    Scope,
    ServerState,
    SocketLease,
    Task,
    member,
)
from support.databases import sync_engine
from support.rows import Rows

IMAGE = "registry.example/average:1"
_RULES = Permissions(
    frozenset(
        Grant(resource, Scope.GLOBAL, operation)
        for resource in ("task", "event", "result")
        for operation in (Operation.VIEW, Operation.CREATE, Operation.DELETE)
    )
)
_OURS = (
    (Authenticatable, ("last_seen",)),
    (Result, ("updated_at", "assigned_at")),
    (Task, ("deadline", "created_at")),
    (SocketLease, ("until",)),
    (KillWish, ("next_at", "created_at")),
)


@dataclass(frozen=True)
class Node:
    """A node and its organization."""

    id: int
    organization: int


class Floor:
    """One collaboration of organizations with a node each. `runner` runs what is asynchronous."""

    def __init__(self, url: str, runner: asyncio.Runner, sites: int = 2, **lost_runs: Any) -> None:
        self.database = Database(url)
        self.lost_runs = LostRunSettings(**lost_runs)
        self._runner = runner
        self._engine = sync_engine(url)
        with self._engine.begin() as connection:
            self.collaboration, self.nodes, user = _arrange(connection, sites)
        self._user = UserCaller(user, self.nodes[0].organization, _RULES)
        self._writing(note_up)

    def close(self) -> None:
        """Close the connections."""
        self._runner.run(self.database.close())

    def ask(self, *nodes: Node, **more: Any) -> int:
        """A new task of the user for these nodes, or for all; its id."""
        return self._create(self._user, nodes or tuple(self.nodes), more)

    def ask_below(self, node: Node, parent: int, *nodes: Node, **more: Any) -> int:
        """A new subtask that an algorithm on the node asks for; its id."""
        subject = ContainerSubject(
            node_id=node.id, organization_id=node.organization, collaboration_id=self.collaboration, task_id=parent,
            image=IMAGE,
        )  # fmt: skip
        return self._create(ContainerCaller(node.id, node.organization, _RULES, subject), nodes, more)

    def _create(self, caller: UserCaller | ContainerCaller, nodes: tuple[Node, ...], more: dict[str, Any]) -> int:
        asked = [{"id": node.organization, "input": "i"} for node in nodes]
        body = TaskBody.model_validate(
            {"collaboration_id": self.collaboration, "organizations": asked, "image": IMAGE, **more}
        )
        return self._writing(lambda session: tasks.create(session, caller, body)).id

    def result(self, task: int, node: Node) -> int:
        """The id of the node's part in the task."""
        with self._engine.connect() as connection:
            mine = (Result.task_id == task, Result.organization_id == node.organization)
            return connection.scalars(select(Result.id).where(*mine)).one()

    def answer(self, node: Node, sign_in: int, result: int, /, **told: Any) -> str | None:
        """The node sends a PATCH; why it was refused, if it was."""
        caller = NodeCaller(node.id, node.organization, _RULES, self.collaboration, sign_in)
        patch = ResultPatch.model_validate(told)
        answered = self._writing(lambda session: results.answer(session, caller, result, patch))
        return answered.refusal and answered.refusal.msg

    def connect(self, node: Node, sid: str = "s", instance: str = "i") -> None:
        """The node opens a socket."""
        self._writing(lambda session: leases.enter(session, sid, node.id, instance))

    def disconnect(self, node: Node, sid: str = "s") -> None:
        """A socket of the node closes."""
        self._writing(lambda session: leases.leave(session, sid, node.id))

    def round(self, instance: str = "i") -> set[str]:
        """An instance renews its leases; the sockets that still had one."""
        self._writing(note_up)
        return self._writing(lambda session: leases.renew(session, instance))

    def forget(self, *sids: str) -> None:
        """An instance finds leases of its own whose sockets are gone."""
        self._writing(lambda session: leases.forget(session, sids))

    def kill(self, task: int) -> dict[str, Any] | None:
        """The user kills a task; the answer, None if it was refused."""
        return self._killed(lambda session: kills.end_task(session, self._user, task))

    def kill_all(self, node: Node) -> dict[str, Any] | None:
        """The user kills all that runs on a node; the answer, None if it was refused."""
        return self._killed(lambda session: kills.end_tasks_of_node(session, self._user, node.id))

    def _killed(self, work: Callable[[AsyncSession], Awaitable[Any]]) -> dict[str, Any] | None:
        try:
            return self._writing(work).to_json("Done.")
        except ApiError:
            return None

    def sweep(self) -> None:
        """The clock's job runs once."""
        self._runner.run(sweep(self.database, self.lost_runs))

    def wait(self, **time: float) -> None:
        """So much time passes, in which nodes could reach the server."""
        self._turn(timedelta(**time))
        self._writing(note_up)

    def be_down(self, **time: float) -> None:
        """So much time passes, in which the server was down; then it is up again."""
        self._turn(timedelta(**time), server_too=True)
        self._writing(note_up)

    def _turn(self, time: timedelta, *, server_too: bool = False) -> None:
        with self._engine.begin() as connection:
            for entity, names in _OURS:
                _put_back(connection, entity.__table__, names, time)
            for key, value in connection.execute(select(ServerState.key, ServerState.value)).all():
                if key == "nodes_reach_us_since" or (server_too and key == "nodes_reached_us_at"):
                    earlier = (datetime.fromisoformat(value) - time).isoformat(timespec="microseconds")
                    connection.execute(update(ServerState).where(ServerState.key == key).values(value=earlier))

    def rows(self) -> dict[int, dict[str, Any]]:
        """All results, by id: status, times, texts, offers."""
        columns = (
            Result.id, Result.status, Result.started_at, Result.finished_at, Result.received_at, Result.offers,
            Result.task_id, ResultContent.result, ResultContent.log,
        )  # fmt: skip
        statement = select(*columns).join(ResultContent, ResultContent.result_id == Result.id)
        with self._engine.connect() as connection:
            return {row.id: dict(row._mapping) for row in connection.execute(statement)}  # pyright: ignore[reportPrivateUsage]

    def status(self, node: Node) -> str | None:
        """Whether the node counts as online."""
        with self._engine.connect() as connection:
            return connection.scalar(select(Authenticatable.status).where(Authenticatable.id == node.id))

    def deadline(self, task: int) -> datetime | None:
        """The task's deadline."""
        with self._engine.connect() as connection:
            return connection.scalar(select(Task.deadline).where(Task.id == task))

    def events(self, name: str) -> list[Any]:
        """The first argument of each such event so far."""
        statement = select(OutboxEvent.payload).where(OutboxEvent.event == name).order_by(OutboxEvent.id)
        with self._engine.connect() as connection:
            return [json.loads(json.dumps(payload))[0] for payload in connection.scalars(statement)]

    def _writing(self, work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            async with self.database.writing() as session:
                return await work(session)

        return self._runner.run(run())


def _arrange(connection: Connection, sites: int) -> tuple[int, list[Node], int]:
    rows = Rows(connection)
    # Tests may share a database.
    last = connection.scalar(select(Organization.id).order_by(Organization.id.desc()).limit(1)) or 0
    organizations = rows.add(Organization, [{"name": f"floor {last}.{number}"} for number in range(sites)])
    [collaboration] = rows.add(Collaboration, [{"name": f"floor {last}", "encrypted": False}])
    pairs = [{"organization_id": one, "collaboration_id": collaboration} for one in organizations]
    connection.execute(insert(member), pairs)
    nodes = rows.nodes([{"name": f"node of {pair['organization_id']}", **pair} for pair in pairs])
    [user] = rows.users([{"username": f"floor {last}", "organization_id": organizations[0]}])
    return collaboration, [Node(*both) for both in zip(nodes, organizations, strict=True)], user


def _put_back(connection: Connection, table: Any, names: tuple[str, ...], time: timedelta) -> None:
    [key] = table.primary_key.columns
    statement: Any = select(key.label("key"), *(table.c[name] for name in names))
    for row in connection.execute(statement).mappings().all():
        earlier = {name: row[name] - time for name in names if row[name] is not None}
        if earlier:
            connection.execute(update(table).where(key == row["key"]).values(earlier))


def in_hours(hours: float) -> str:
    """A time from now, as a client sends it."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
