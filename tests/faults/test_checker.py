"""The judge of the fault suite, judged: a good history is good, and each promise that is broken in one turns it red."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from support.faults.checker import PROMISES, check
from support.faults.history import (
    Asked,
    Closed,
    Delivered,
    Fault,
    Heard,
    Killed,
    Listed,
    Opened,
    Read,
    Record,
    Replied,
    Starved,
    Told,
    Whole,
    line,
    read_history,
)

DONE, OTHER, KILLED = "completed: 1", "completed: 2", "killed by user: "
GOOD: tuple[Record, ...] = (
    Opened(0.1, 7),
    Asked(1.0, "task-1", [7]),
    Replied(1.1, "task-1", None),
    Replied(1.2, "task-1", 201, 1),
    Heard(1.3, 7, "task_created", 1),
    Delivered(1.4, 7, 1, 11, "event"),
    Told(1.5, 1.4, 7, 1, 11, "start", 200),
    Told(1.6, 1.5, 7, 1, 11, "end", 503, DONE),
    Told(1.7, 1.6, 7, 1, 11, "end", 200, DONE),
    Read(1.9, 1.8, 1, 11, 7, True, DONE),
    Fault(2.0, 1, "worker", "kill", "begin"),
    Fault(2.1, 1, "worker", "kill", "end"),
    Whole(5.0, 1),
    Asked(5.1, "probe-2", [7], probe=True),
    Replied(5.2, "probe-2", 201, 2),
    Heard(5.3, 7, "task_created", 2),
    Delivered(5.4, 7, 2, 12, "event"),
    Delivered(5.5, 7, 2, 12, "sync"),
    Killed(5.6, 5.5, 2, 200),
    Told(5.7, 5.6, 7, 2, 12, "end", 400, DONE),
    Listed(30.0, "task-1", [1]),
    Listed(30.0, "probe-2", [2]),
    Read(30.0, 29.0, 1, 11, 7, True, DONE, last=True),
    Read(30.0, 29.0, 2, 12, 7, True, KILLED, last=True),
)
"""A task that was answered and one that was killed, with a fault between them."""


def without(*left_out: Record) -> list[Record]:
    return [record for record in GOOD if record not in left_out]


def changed(record: Record, **values: object) -> list[Record]:
    return [replace(one, **values) if one is record else one for one in GOOD]


def the(index: int) -> Record:
    return GOOD[index]


def with_more(*more: Record) -> list[Record]:
    return sorted([*GOOD, *more], key=lambda record: record.at)


def test_a_good_history_is_good_and_counted():
    report = check(GOOD)
    assert report.violations == []
    assert report.resumed == {1: pytest.approx(0.4)}
    expected = {
        "tasks": 2, "results": 2, "deliveries": 3, "duplicate deliveries": 1, "PATCHes": 4, "PATCHes unanswered": 1,
        "PATCHes refused": 1, "POSTs": 3, "POSTs unanswered": 1, "tasks killed": 1, "kill worker": 1,
    }  # fmt: skip
    assert {name: report.counts[name] for name in expected} == expected


def test_a_history_is_read_back_as_it_was_written():
    assert read_history(map(line, GOOD)) == list(GOOD)
    with pytest.raises(ValueError, match="line 1"):
        read_history(['{"record": "Rumour", "at": 1}'])


BAD: dict[str, tuple[str, Sequence[Record]]] = {
    "a task was never answered": ("every task is accepted in the end", without(the(3))),
    "a task that was sent again became two": (
        "a task sent again is one task", with_more(Replied(1.25, "task-1", 201, 3))),
    "a task stands twice in the list": ("a task sent again is one task", changed(the(20), tasks=[1, 3])),
    "a task is missing from the list": ("a task sent again is one task", changed(the(20), tasks=[])),
    "a node was never told": ("every accepted task reached every addressed node", without(the(5))),
    "a result is missing": ("every accepted task has one result a node", without(the(22))),
    "a task has two results of a node": (
        "every accepted task has one result a node", with_more(Read(30.0, 29.0, 1, 13, 7, True, DONE, last=True))),
    "an accepted outcome is gone": ("every accepted outcome is stored", changed(the(22), outcome=OTHER)),
    "two outcomes were accepted": (
        "every accepted outcome is stored", with_more(Told(1.75, 1.6, 7, 1, 11, "end", 200, OTHER))),
    "a result is open again": ("every accepted outcome is stored", changed(the(22), ended=False)),
    "a result never ended": ("every result ended", changed(the(23), ended=False)),
    "an outcome came from nowhere": ("every stored outcome was sent", changed(the(23), outcome="crashed: ")),
    "a kill came from nowhere": ("every stored outcome was sent", without(the(18))),
    "a result left its final state": (
        "no result left a final state", with_more(Read(6.0, 5.9, 1, 11, 7, True, OTHER))),
    "a result was open after its end": (
        "no result left a final state", with_more(Read(6.0, 5.9, 1, 11, 7, False, "active: "))),
    "a task was refused": (
        "nobody is refused without a reason", with_more(Replied(1.15, "task-1", 422, None, "invalid"))),
    "a start was refused": ("nobody is refused without a reason", changed(the(6), status=400)),
    "a repeated end was refused": ("nobody is refused without a reason", changed(the(8), status=400)),
    "a node was shut out": ("nobody is refused without a reason", changed(the(8), status=403)),
    "a kill was refused": ("nobody is refused without a reason", changed(the(18), status=403)),
    "an open socket heard nothing": ("an open socket hears what is said", without(the(15))),
    "delivery took too long": ("delivery resumes after a heal", changed(the(16), at=15.1)),
    "a probe never arrived": ("delivery resumes after a heal", without(the(16), the(17))),
    "the parts never all answered": ("delivery resumes after a heal", without(the(12))),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_each_broken_promise_turns_the_verdict_red(what: str):
    promise, history = BAD[what]
    assert promise in check(history).broken


def test_every_promise_is_broken_by_some_history():
    assert {promise for promise, _ in BAD.values()} == PROMISES.keys()


@pytest.mark.parametrize(
    "excuse",
    [Closed(5.25, 7), Fault(5.25, 2, "redis", "kill", "begin")],
    ids=["the socket closed", "Redis was hit"],
)
def test_an_event_that_could_not_be_heard_is_nobodys_fault(excuse: Record):
    history = [record for record in with_more(excuse, Whole(6.0, 2)) if record != the(15)]
    assert "an open socket hears what is said" not in check(history).broken


def test_an_event_that_is_not_heard_while_a_part_is_still_away_is_nobodys_fault():
    history = [*GOOD[:2], Replied(1.2, "task-1", 201, 1), Fault(1.3, 1, "worker", "freeze", "begin"), Whole(25.0, 1)]
    assert "an open socket hears what is said" not in check(history).broken


def test_a_machine_that_is_slow_without_any_fault_is_given_more_time():
    calm = [Asked(0.2, "probe-0", [7], probe=True), Replied(0.3, "probe-0", 201, 9), Delivered(1.9, 7, 9, 19, "event")]
    late = [record for record in changed(the(16), at=15.1) if record is not the(17)]
    for history, is_broken in ((late, True), ([*calm, *late], False)):
        in_order = sorted(history, key=lambda record: record.at)
        assert ("delivery resumes after a heal" in check(in_order).broken) == is_broken


def test_clients_that_stood_still_themselves_are_given_that_time_and_no_more():
    late = changed(the(16), at=17.1)
    for starved, is_broken in ((Starved(15.0, 6.0), False), (Starved(15.0, 1.0), True), (Starved(4.9, 4.0), True)):
        assert ("delivery resumes after a heal" in check([*late, starved]).broken) == is_broken
