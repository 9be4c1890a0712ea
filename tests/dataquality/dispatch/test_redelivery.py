"""The timer that tells nodes again of what they have not begun."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, update

from dataquality.core.database import create_autocommit_engine
from dataquality.dispatch import redelivery
from dataquality.dispatch.redelivery import Redeliveries
from dataquality.model import (
    Authenticatable,
    Collaboration,
    OnlineStatus,
    Organization,
    OutboxEvent,
    Result,
    ResultStatus,
    Task,
    utc_now,
)
from support.databases import sync_engine
from support.rows import Rows

PATIENCE = timedelta(minutes=5)


@dataclass
class Waiting:
    """Two nodes of one collaboration that are connected, each with a result of one task to begin; and a clock."""

    engine: Engine
    collaboration: int
    nodes: list[int]
    results: list[int]
    task: int
    now: datetime

    def run(self, minutes: float = 0) -> list[tuple[str, Any]]:
        """Let so many minutes pass in steps of 15 seconds, as beat does; what was told, as room and task."""
        for _ in range(int(minutes * 4) or 1):
            self.now += timedelta(minutes=minutes) / (int(minutes * 4) or 1)
            self.timer.tell_due()
        return self.told()

    @cached_property
    def timer(self) -> Redeliveries:
        return self.new_timer()

    def new_timer(self) -> Redeliveries:
        """As another process of the worker has it."""
        return Redeliveries(create_autocommit_engine(self.engine.url.render_as_string(hide_password=False)), PATIENCE)

    def told(self) -> list[tuple[str, Any]]:
        """What stands in the outbox since the last look, as if it was sent."""
        with self.engine.begin() as connection:
            rows = connection.execute(select(OutboxEvent).order_by(OutboxEvent.id)).all()
            connection.execute(delete(OutboxEvent))
        assert {(row.event, row.collaboration_id) for row in rows} <= {("new_task", self.collaboration)}
        return [(row.room, row.payload) for row in rows]

    def change(self, entity: Any, identity: int, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(entity).where(entity.id == identity).values(**values))

    def each(self) -> list[tuple[str, Any]]:
        """What is told when both nodes are told once."""
        return [(f"node_{node}", [self.task]) for node in self.nodes]


@pytest.fixture
def waiting(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    engine = sync_engine(database_url)
    now = utc_now()
    with engine.begin() as connection:
        rows = Rows(connection)
        organizations = rows.add(Organization, [{"name": "one"}, {"name": "two"}])
        [collaboration] = rows.add(Collaboration, [{"name": "c", "encrypted": False}])
        places = [{"name": "n", "organization_id": one, "collaboration_id": collaboration} for one in organizations]
        nodes = rows.nodes([{**place, "status": OnlineStatus.ONLINE} for place in places])
        [task] = rows.add(Task, [{"collaboration_id": collaboration, "run_id": 1, "created_at": now}])
        results = rows.results([{"task_id": task, "organization_id": one} for one in organizations])
    found = Waiting(engine, collaboration, nodes, results, task, now)
    monkeypatch.setattr(redelivery, "utc_now", lambda: found.now)
    return found


def test_a_node_that_has_not_begun_is_told_again_ever_less_often(waiting: Waiting) -> None:
    assert waiting.run(4.5) == []
    assert waiting.run(1) == waiting.each()
    assert waiting.run(9) == []
    assert waiting.run(2) == waiting.each()
    assert waiting.run(18) == []
    assert waiting.run(3) == waiting.each()


@pytest.mark.parametrize(
    ("patience", "told", "minutes"), [(5, 0, 10), (5, 2, 40), (5, 3, 60), (5, 999, 60), (90, 7, 90)]
)
def test_the_pauses_grow_to_an_hour_or_to_what_the_configuration_says(patience: int, told: int, minutes: int) -> None:
    assert redelivery.pause(timedelta(minutes=patience), told) == timedelta(minutes=minutes)


def starts(waiting: Waiting) -> None:
    waiting.change(Result, waiting.results[0], started_at=waiting.now, status=ResultStatus.ACTIVE)


def prepares(waiting: Waiting) -> None:
    waiting.change(Result, waiting.results[0], status=ResultStatus.INITIALIZING)


def is_killed(waiting: Waiting) -> None:
    waiting.change(Result, waiting.results[0], finished_at=waiting.now, status=ResultStatus.KILLED)


def goes_away(waiting: Waiting) -> None:
    waiting.change(Authenticatable, waiting.nodes[0], status=OnlineStatus.OFFLINE)


@pytest.mark.parametrize("begins", [starts, prepares, is_killed, goes_away])
def test_only_nodes_that_are_connected_and_have_not_begun_are_told(
    waiting: Waiting, begins: Callable[[Waiting], None]
) -> None:
    waiting.run(3)
    begins(waiting)
    assert waiting.run(3) == waiting.each()[1:]


def test_a_result_that_is_offered_anew_waits_from_then_on(waiting: Waiting) -> None:
    waiting.run(6)
    starts(waiting)
    waiting.run(1)
    waiting.change(Result, waiting.results[0], started_at=None, status=ResultStatus.PENDING)
    assert waiting.run(2) == []
    assert waiting.run(1) == waiting.each()[:1]


def test_what_was_due_during_an_outage_is_put_off(waiting: Waiting) -> None:
    waiting.run(3)
    # Nobody looks for an hour; then all nodes connect, and are told of everything by that.
    waiting.now += timedelta(hours=1)
    assert waiting.run() == []
    assert waiting.run(4.5) == []
    assert waiting.run(1) == waiting.each()


def test_a_node_that_was_away_is_not_told_twice_when_it_comes_back(waiting: Waiting) -> None:
    waiting.run(3)
    goes_away(waiting)
    assert waiting.run(20)[:1] == waiting.each()[1:]
    waiting.change(Authenticatable, waiting.nodes[0], status=OnlineStatus.ONLINE)
    assert waiting.each()[0] not in waiting.run(4.5)
    assert waiting.each()[0] in waiting.run(1)


def test_what_is_still_on_its_way_is_not_told_again(waiting: Waiting) -> None:
    with waiting.engine.begin() as connection:
        row = {"event": "new_task", "payload": [waiting.task], "room": "r", "collaboration_id": waiting.collaboration}
        Rows(connection).add(OutboxEvent, [row])
    for _ in range(80):
        waiting.now += timedelta(seconds=15)
        assert waiting.timer.tell_due() == 0
    waiting.told()
    # It was sent only now.
    assert waiting.run(2.25) == []
    assert waiting.run(1) == waiting.each()


def test_several_runs_at_once_tell_once(waiting: Waiting) -> None:
    waiting.run(4.9)
    waiting.now += timedelta(seconds=40)
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(Redeliveries.tell_due, [waiting.new_timer() for _ in range(4)]))
    assert sum(told) == 2
    assert sorted(waiting.told()) == sorted(waiting.each())
