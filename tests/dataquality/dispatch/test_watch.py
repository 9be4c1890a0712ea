"""What the clock settles: sockets without a word, lost runs, deadlines, orphans, kills to be told again."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from dataquality.core.errors import BadRequest
from support.floor import Floor, Node, in_hours

HOUR_WRONG = {"started_at": "2031-01-01T11:00:00"}
END = {"result": "r", "log": "said", "finished_at": "1999-01-01T10:00:00"}
Maker = Callable[..., Floor]


@pytest.fixture
def floor_with(database_url: str) -> Iterator[Maker]:
    floors: list[Floor] = []
    with asyncio.Runner() as runner:

        def make(**lost_runs: Any) -> Floor:
            floors.append(Floor(database_url, runner, **{"after_minutes": 60, **lost_runs}))
            return floors[-1]

        yield make
        for floor in floors:
            floor.close()


@pytest.fixture
def floor(floor_with: Maker) -> Floor:
    return floor_with()


def begun(floor: Floor, node: Node, sign_in: int = 1) -> int:
    """A result that the node has begun."""
    result = floor.result(floor.ask(node), node)
    assert floor.answer(node, sign_in, result, **HOUR_WRONG) is None
    return result


class TestSockets:
    def test_a_node_whose_instance_died_is_offline_once_its_lease_ran_out(self, floor: Floor) -> None:
        node = floor.nodes[0]
        floor.connect(node)
        floor.wait(seconds=60)
        floor.sweep()
        assert (floor.status(node), floor.events("node-offline")) == ("online", [])
        floor.wait(seconds=60)
        for _ in range(2):
            floor.sweep()
        assert floor.status(node) == "offline"
        assert [news["id"] for news in floor.events("node-offline")] == [node.id]

    def test_a_lease_that_is_renewed_lasts(self, floor: Floor) -> None:
        node = floor.nodes[0]
        floor.connect(node)
        for _ in range(5):
            floor.wait(seconds=60)
            assert floor.round() == {"s"}
            floor.sweep()
        assert floor.status(node) == "online"

    def test_the_end_of_an_old_socket_leaves_the_node_online_and_that_of_the_last_does_not(self, floor: Floor) -> None:
        node = floor.nodes[0]
        floor.connect(node, "old", "first instance")
        floor.connect(node, "new", "second instance")
        floor.disconnect(node, "old")
        assert floor.status(node) == "online"
        floor.disconnect(node, "new")
        floor.disconnect(node, "new")
        assert floor.status(node) == "offline"

    def test_leases_of_sockets_that_ended_unnoticed_are_taken_away_and_no_others(self, floor: Floor) -> None:
        first, second = floor.nodes
        floor.connect(first, "s1")
        floor.connect(first, "s2")
        floor.connect(second, "s3")
        floor.forget()
        floor.forget("s1", "s2", "nobody's")
        assert floor.round() == {"s3"}
        floor.sweep()
        assert (floor.status(first), floor.status(second)) == ("offline", "online")

    def test_an_instance_that_was_frozen_learns_that_its_sockets_were_taken_for_dead(self, floor: Floor) -> None:
        node = floor.nodes[0]
        floor.connect(node)
        floor.wait(minutes=10)
        floor.sweep()
        assert floor.round() == set()
        floor.connect(node)
        assert floor.status(node) == "online"


class TestLostRuns:
    def test_a_run_whose_node_is_gone_for_long_ends_and_says_why(self, floor: Floor) -> None:
        node = floor.nodes[0]
        floor.connect(node)
        result = begun(floor, node)
        waiting = floor.result(floor.ask(node), node)
        floor.disconnect(node)
        floor.wait(minutes=59)
        floor.sweep()
        assert floor.rows()[result]["status"] == "active"
        floor.wait(minutes=2)
        for _ in range(2):
            floor.sweep()
        row = floor.rows()[result]
        assert (row["status"], row["finished_at"] is not None) == ("unknown error", True)
        assert "gone for too long" in row["log"]
        assert floor.events("status_update").count({"result_id": result}) == 2  # when it began, and now
        assert [one["result_id"] for one in floor.events("kill_containers")[0]["kill_list"]] == [result]
        # What it has not begun waits for the node, however long that takes.
        assert floor.rows()[waiting]["status"] == "pending"
        assert "ended already" in str(floor.answer(node, 1, result, **END))

    def test_a_run_goes_on_while_its_node_holds_a_socket_however_long_it_takes(self, floor: Floor) -> None:
        node = floor.nodes[0]
        floor.connect(node)
        result = begun(floor, node)
        for _ in range(3):
            floor.wait(hours=2)
            floor.connect(node)
            floor.sweep()
        assert floor.rows()[result]["status"] == "active"

    def test_an_answer_about_the_run_is_a_sign_of_life(self, floor: Floor) -> None:
        node = floor.nodes[0]
        result = begun(floor, node)
        for number in range(3):
            floor.wait(minutes=40)
            assert floor.answer(node, 1, result, log=f"{number}") is None
            floor.sweep()
        assert floor.rows()[result]["status"] == "active"

    def test_time_in_which_the_server_was_down_costs_no_run(self, floor: Floor) -> None:
        node = floor.nodes[0]
        floor.connect(node)
        result = begun(floor, node)
        floor.be_down(hours=12)
        floor.sweep()
        floor.wait(minutes=30)
        floor.sweep()
        assert floor.rows()[result]["status"] == "active"
        floor.wait(minutes=31)
        floor.sweep()
        assert floor.rows()[result]["status"] == "unknown error"

    def test_a_lost_run_is_offered_again_a_few_times_where_the_environment_says_so(self, floor_with: Maker) -> None:
        floor = floor_with(then="offer_again", offers=2)
        node = floor.nodes[0]
        result = begun(floor, node)
        for offers in (1, 2):
            floor.wait(minutes=61)
            floor.sweep()
            row = floor.rows()[result]
            assert (row["status"], row["started_at"], row["offers"]) == ("pending", None, offers)
            # Not begun again: it waits.
            floor.wait(minutes=61)
            floor.sweep()
            assert floor.rows()[result]["offers"] == offers
            assert floor.answer(node, 1 + offers, result, **HOUR_WRONG) is None
        floor.wait(minutes=61)
        floor.sweep()
        assert floor.rows()[result]["status"] == "unknown error"

    def test_a_failure_that_was_told_stays_what_it_was(self, floor_with: Maker) -> None:
        floor = floor_with(then="offer_again")
        node = floor.nodes[0]
        result = begun(floor, node)
        assert floor.answer(node, 1, result, status="crashed") is None
        floor.wait(minutes=61)
        floor.sweep()
        row = floor.rows()[result]
        assert (row["status"], row["finished_at"] is not None, row["offers"]) == ("crashed", True, 0)


class TestFence:
    def test_who_lost_the_run_may_answer_until_another_sign_in_takes_it(self, floor_with: Maker) -> None:
        floor = floor_with(then="offer_again")
        node = floor.nodes[0]
        first, second = begun(floor, node), begun(floor, node)
        floor.wait(minutes=61)
        floor.sweep()
        assert floor.answer(node, 1, first, **END) is None
        assert floor.rows()[first]["status"] == "completed"
        assert floor.answer(node, 2, second, **HOUR_WRONG) is None
        assert "later sign-in" in str(floor.answer(node, 1, second, **END))
        assert floor.rows()[second]["status"] == "active"
        assert floor.answer(node, 2, second, **END) is None

    def test_a_node_that_restarts_takes_over_what_it_had_begun(self, floor: Floor) -> None:
        node = floor.nodes[0]
        result = begun(floor, node, sign_in=4)
        assert floor.answer(node, 7, result, started_at="2031-01-01T12:00:00") is None
        assert floor.answer(node, 4, result, **END) is not None
        assert floor.answer(node, 7, result, **END) is None
        # The same answer again is no other answer, whoever sends it.
        assert floor.answer(node, 4, result, **END) is None

    def test_both_clocks_are_kept_and_never_compared(self, floor: Floor) -> None:
        result = begun(floor, floor.nodes[0])
        assert floor.answer(floor.nodes[0], 1, result, **END) is None
        row = floor.rows()[result]
        assert (row["started_at"].year, row["finished_at"].year) == (2031, 1999)
        assert row["received_at"].year not in (1999, 2031)


class TestDeadlines:
    def test_what_is_open_at_the_deadline_ends_and_says_why(self, floor: Floor) -> None:
        first, second = floor.nodes
        task = floor.ask(deadline=in_hours(2))
        assert floor.answer(first, 1, floor.result(task, first), **END) is None
        floor.wait(hours=1)
        floor.sweep()
        assert floor.rows()[floor.result(task, second)]["status"] == "pending"
        floor.wait(hours=1.1)
        for _ in range(2):
            floor.sweep()
        rows = floor.rows()
        assert rows[floor.result(task, first)]["log"] == "said"
        late = rows[floor.result(task, second)]
        assert (late["status"], "deadline" in late["log"]) == ("failed", True)
        [message] = floor.events("kill_containers")
        assert [one["organization_id"] for one in message["kill_list"]] == [second.organization]

    @pytest.mark.parametrize(("wanted", "hours"), [(None, 2), (1, 1), (5, 2)])
    def test_a_subtask_ends_with_its_parent_if_not_before(
        self, floor: Floor, wanted: float | None, hours: float
    ) -> None:
        node = floor.nodes[0]
        parent = floor.ask(node, deadline=in_hours(2))
        more = {} if wanted is None else {"deadline": in_hours(wanted)}
        deadline = floor.deadline(floor.ask_below(node, parent, node, **more))
        own = floor.deadline(parent)
        assert deadline is not None
        assert own is not None
        assert abs(deadline - (own - timedelta(hours=2 - hours))) < timedelta(minutes=1)

    def test_a_deadline_that_has_passed_is_refused(self, floor: Floor) -> None:
        with pytest.raises(BadRequest):
            floor.ask(deadline=in_hours(-1))


class TestOrphans:
    def test_subtasks_end_with_the_part_that_asked_for_them(self, floor: Floor) -> None:
        first, second = floor.nodes
        task = floor.ask()
        below = floor.ask_below(first, task, second)
        deeper = floor.ask_below(second, below, first)
        other = floor.ask_below(second, task, first)
        assert floor.answer(first, 1, floor.result(task, first), **END | {"status": "crashed"}) is None
        rows = floor.rows()
        for orphan, node in ((below, second), (deeper, first)):
            assert rows[floor.result(orphan, node)]["status"] == "killed by user"
            assert "asked for this" in rows[floor.result(orphan, node)]["log"]
        assert rows[floor.result(other, first)]["status"] == "pending"
        assert rows[floor.result(task, second)]["status"] == "pending"
        assert len(floor.events("kill_containers")[0]["kill_list"]) == 2

    def test_a_subtask_that_slipped_through_is_found_by_the_clock(self, floor: Floor) -> None:
        node = floor.nodes[0]
        task = floor.ask(node)
        assert floor.answer(node, 1, floor.result(task, node), **END) is None
        # The request was on its way already when its task ended.
        late = floor.ask_below(node, task, node)
        assert floor.rows()[floor.result(late, node)]["status"] == "pending"
        floor.sweep()
        assert floor.rows()[floor.result(late, node)]["status"] == "killed by user"

    def test_the_subtasks_of_a_lost_run_end_with_it(self, floor: Floor) -> None:
        first, second = floor.nodes
        task = floor.ask(first)
        assert floor.answer(first, 1, floor.result(task, first), **HOUR_WRONG) is None
        below = floor.ask_below(first, task, second)
        floor.wait(minutes=61)
        floor.connect(second)
        floor.sweep()
        assert floor.rows()[floor.result(below, second)]["status"] == "killed by user"


class TestKills:
    def test_a_node_that_stays_silent_is_told_a_few_times_and_then_left_alone(self, floor: Floor) -> None:
        node = floor.nodes[0]
        floor.connect(node)
        task = floor.ask(node)
        assert floor.kill(task) is not None
        for _ in range(20):
            floor.wait(minutes=40)
            floor.connect(node)
            floor.sweep()
        told = floor.events("kill_containers")
        assert len(told) == 6
        assert all(message == told[0] for message in told)
        assert told[0]["kill_list"] != []

    def test_a_node_that_is_away_is_not_told_by_the_clock(self, floor: Floor) -> None:
        node = floor.nodes[0]
        task = floor.ask(node)
        assert floor.kill(task) == {
            "msg": f"Done. Away, and told when it is back: node {node.id}.",
            "nodes_told": [],
            "nodes_away": [node.id],
            "nodes_that_cannot_kill": [],
        }
        floor.wait(hours=5)
        floor.sweep()
        assert len(floor.events("kill_containers")) == 1
        floor.connect(node)
        floor.sweep()
        assert len(floor.events("kill_containers")) == 2
