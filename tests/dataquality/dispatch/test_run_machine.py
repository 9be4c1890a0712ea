"""Whatever happens, in whatever order: ends last, fences hold, nothing goes back but what is offered again.

Nodes begin, answer, repeat themselves, come late, restart, lose their sockets and have clocks an hour wrong; users ask
and kill; time passes and the clock's job runs, once or twice.
"""

import asyncio
from typing import Any, cast

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from support.databases import SqliteFiles
from support.floor import Floor, Node, in_hours

OPEN = ("pending", "initializing", "active")
STATUSES = (*OPEN, "completed", "failed", "crashed", "killed by user", "unknown error")
# An hour wrong, to either side; what the server makes of them must not differ.
TIMES = st.sampled_from((-1, 0, 1)).map(in_hours)
OFFERS = 2
places = st.integers(0, 1)
patches = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(STATUSES),
        "started_at": TIMES,
        "finished_at": TIMES,
        "result": st.sampled_from(("r", "s")),
        "log": st.sampled_from(("l", "m")),
    },
)


def is_contradiction(patch: dict[str, Any]) -> bool:
    """What the schema refuses before anybody looks at the result."""
    return "finished_at" in patch and patch.get("status") in OPEN


class Runs(RuleBasedStateMachine):
    """What is known of each result beside the database: its end, and the newest sign-in that answered for it."""

    files: SqliteFiles
    then: str
    results = Bundle("results")

    def __init__(self) -> None:
        super().__init__()
        self._database = self.files.migrated_database()
        self._runner = asyncio.Runner()
        self.floor = Floor(self._database.__enter__(), self._runner, after_minutes=60, then=self.then, offers=OFFERS)
        self.sign_ins = {node: [1] for node in self.floor.nodes}
        self.ends: dict[int, dict[str, Any]] = {}
        self.before: dict[int, dict[str, Any]] = {}
        self.newest: dict[int, int] = {}
        self.sent: list[tuple[Node, int, int, dict[str, Any]]] = []

    def teardown(self) -> None:
        self.floor.close()
        self._runner.close()
        self._database.__exit__(None, None, None)

    def node(self, place: int) -> Node:
        return self.floor.nodes[place]

    @initialize(target=results)
    def begin(self) -> Any:
        return self._asked({})

    @rule(target=results, hours=st.none() | st.sampled_from((1, 5)))
    def ask(self, hours: int | None) -> Any:
        return self._asked({} if hours is None else {"deadline": in_hours(hours)})

    @rule(target=results, parent=results, place=places)
    def ask_below(self, parent: tuple[int, int], place: int) -> Any:
        task, of = parent
        asked = self.floor.ask_below(self.node(of), task, self.node(place))
        return asked, place

    def _asked(self, more: dict[str, Any]) -> Any:
        task = self.floor.ask(**more)
        return multiple((task, 0), (task, 1))

    @rule(which=results, patch=patches, age=st.integers(0, 2))
    def answer(self, which: tuple[int, int], patch: dict[str, Any], age: int) -> None:
        """`age` is how many sign-ins ago the process was started that speaks."""
        task, place = which
        node = self.node(place)
        sign_in = self.sign_ins[node][-1 - age % len(self.sign_ins[node])]
        if not is_contradiction(patch):
            self._send(node, sign_in, self.floor.result(task, node), patch)

    @rule(number=st.integers(0, 1000))
    def repeat(self, number: int) -> None:
        """A message comes once more, later and out of order."""
        if self.sent:
            self._send(*self.sent[number % len(self.sent)])

    def _send(self, node: Node, sign_in: int, result: int, patch: dict[str, Any]) -> None:
        before = self.floor.rows()[result]
        refusal = self.floor.answer(node, sign_in, result, **patch)
        after = self.floor.rows()[result]
        self.sent.append((node, sign_in, result, patch))
        if refusal is not None:
            assert after == before
        elif after != before:
            assert sign_in >= self.newest.get(result, 0), "the fence let an older sign-in through"
            assert before["finished_at"] is None
            self.newest[result] = sign_in
        if refusal is None and "result" in patch:
            assert after["result"] == patch["result"]

    @rule(place=places)
    def restart(self, place: int) -> None:
        numbers = self.sign_ins[self.node(place)]
        numbers.append(numbers[-1] + 1)

    @rule(which=results, begins=TIMES, patch=patches)
    def speak_after_a_restart(self, which: tuple[int, int], begins: str, patch: dict[str, Any]) -> None:
        """A process that was thought dead still speaks, when its successor has begun the run anew."""
        task, place = which
        node = self.node(place)
        old = self.sign_ins[node][-1]
        self.restart(place)
        self._send(node, old + 1, self.floor.result(task, node), {"started_at": begins})
        if not is_contradiction(patch):
            self._send(node, old, self.floor.result(task, node), patch)

    @rule(place=places, sid=st.sampled_from("ab"))
    def connect(self, place: int, sid: str) -> None:
        node = self.node(place)
        self.floor.connect(node, f"{sid}{place}", instance=sid)
        assert self.floor.status(node) == "online"

    @rule(place=places, sid=st.sampled_from("ab"))
    def disconnect(self, place: int, sid: str) -> None:
        self.floor.disconnect(self.node(place), f"{sid}{place}")

    @rule(instance=st.sampled_from("ab"))
    def renew(self, instance: str) -> None:
        self.floor.round(instance)

    @rule(minutes=st.sampled_from((1, 2, 45, 61, 400)))
    def wait(self, minutes: int) -> None:
        self.floor.wait(minutes=minutes)

    @rule()
    def be_down(self) -> None:
        self.floor.be_down(hours=3)

    @rule(times=st.integers(1, 2))
    def sweep(self, times: int) -> None:
        for _ in range(times):
            self.floor.sweep()

    @rule(which=results)
    def kill(self, which: tuple[int, int]) -> None:
        was_open = any(row["finished_at"] is None for row in self.floor.rows().values() if row["task_id"] == which[0])
        answer = self.floor.kill(which[0])
        assert answer is not None or not was_open
        assert all(row["finished_at"] for row in self.floor.rows().values() if row["task_id"] == which[0])

    @rule(place=places)
    def kill_all(self, place: int) -> None:
        assert self.floor.kill_all(self.node(place)) is not None

    @invariant()
    def an_end_is_an_end(self) -> None:
        for result, row in self.floor.rows().items():
            if result in self.ends:
                assert row == self.ends[result]
            elif row["finished_at"] is not None:
                assert row["status"] not in OPEN
                assert row["received_at"] is not None
                self.ends[result] = row

    @invariant()
    def nothing_goes_back_but_what_is_offered_again(self) -> None:
        rows = self.floor.rows()
        for result, row in rows.items():
            before = self.before.get(result)
            assert row["offers"] <= (OFFERS if self.then == "offer_again" else 0)
            if before is not None and row["offers"] == before["offers"]:
                assert rank(row["status"]) >= rank(before["status"])
        self.before = rows

    @invariant()
    def no_list_of_what_to_kill_is_empty_and_what_is_on_it_has_ended(self) -> None:
        for message in self.floor.events("kill_containers"):
            if "kill_list" in message or "node_id" not in message:
                assert message["kill_list"]
                assert {one["result_id"] for one in message["kill_list"]} <= self.ends.keys()


def rank(status: str) -> int:
    return OPEN.index(status) if status in OPEN else len(OPEN)


@pytest.mark.parametrize("then", ["fail", "offer_again"])
def test_ends_last_and_fences_hold_whatever_happens(sqlite_files: SqliteFiles, then: str) -> None:
    kind = type("Runs", (Runs,), {"files": sqlite_files, "then": then})
    cast(Any, run_state_machine_as_test)(
        kind,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
