"""Judges a history: what was promised and not kept, and the counts. Knows nothing of how the history came about."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

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
    Retried,
    Starved,
    Told,
    Whole,
)

RESUMED_WITHIN = 10.0
"""Seconds from the moment at which all parts answer again until new tasks reach their nodes."""
SLOWNESS = 2.0
"""So many times as long as delivery took before the first fault is added to that: a busy machine is no fault."""
_ON_THE_WAY = ("redis", "dispatch", "gateway")
"""Parts through which an event reaches a socket: while one of them is hit, an event may miss a socket."""
_BUSY = {401, 408, 409, 425, 429}
"""Answers that ask for the same call once more."""
T = TypeVar("T")


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept."""

    promise: str
    detail: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.detail}"


@dataclass(frozen=True)
class Report:
    """What the checker found."""

    violations: list[Violation]
    counts: Counter[str]
    resumed: dict[int, float]
    """Group of faults to the seconds until new tasks were delivered again."""
    within: float = RESUMED_WITHIN
    """Seconds that it may take on this machine."""

    @property
    def broken(self) -> set[str]:
        """The promises that were not kept."""
        return {violation.promise for violation in self.violations}

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        slowest = max(self.resumed.values(), default=0.0)
        kept = f"delivery resumed after {len(self.resumed)} heals, the slowest in {slowest:.2f} s of {self.within:.2f}"
        wrong = "\n".join(f"  {violation}" for violation in self.violations[:40])
        return (
            f"{counts}\n{kept}\n{f'{len(self.violations)} violations:' if wrong else 'no violation'}\n{wrong}".strip()
        )


def check(records: Sequence[Record]) -> Report:
    """Judge a whole history."""
    facts = _Facts(records)
    violations = [Violation(name, detail) for name, broken in PROMISES.items() for detail in broken(facts)]
    return Report(violations, _counts(facts), dict(facts.resumption), facts.resumed_within)


@dataclass(frozen=True)
class _Facts:
    records: Sequence[Record]
    by_kind: dict[type, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for record in self.records:
            self.by_kind[type(record)].append(record)

    def all(self, kind: type[T]) -> list[T]:
        return self.by_kind[kind]  # pyright: ignore[reportReturnType]

    @cached_property
    def asked(self) -> dict[str, Asked]:
        return {asked.key: asked for asked in self.all(Asked)}

    @cached_property
    def replies(self) -> dict[str, set[int]]:
        """Key to the ids that were given for it."""
        found: defaultdict[str, set[int]] = defaultdict(set)
        for reply in self.all(Replied):
            if _is_accepted(reply.status) and reply.task is not None:
                found[reply.key].add(reply.task)
        return found

    @cached_property
    def accepted(self) -> dict[int, Asked]:
        """Accepted tasks, as they were asked."""
        return {task: self.asked[key] for key, tasks in self.replies.items() for task in tasks}

    @cached_property
    def delivered(self) -> dict[tuple[int, int], float]:
        """Task and node to the first delivery."""
        found: dict[tuple[int, int], float] = {}
        for delivery in self.all(Delivered):
            found.setdefault((delivery.task, delivery.node), delivery.at)
        return found

    @cached_property
    def last(self) -> dict[int, Read]:
        """Result to what it is in the end."""
        return {read.result: read for read in self.all(Read) if read.last}

    @cached_property
    def kills(self) -> dict[int, float]:
        """Task to when its end was first asked for."""
        found: dict[int, float] = {}
        for kill in self.all(Killed):
            found[kill.task] = min(kill.began, found.get(kill.task, kill.began))
        return found

    @cached_property
    def ends_sent(self) -> dict[int, set[str]]:
        found: defaultdict[int, set[str]] = defaultdict(set)
        for told in self.all(Told):
            if told.step == "end":
                found[told.result].add(told.outcome)
        return found

    @cached_property
    def resumed_within(self) -> float:
        """How many seconds delivery may take after a heal, on this machine."""
        first = min((fault.at for fault in self.all(Fault)), default=0.0)
        calm = [
            self.delivered[task, node] - asked.at
            for task, asked in self.accepted.items()
            for node in asked.nodes
            if asked.probe and self.delivered.get((task, node), first) < first
        ]
        return RESUMED_WITHIN + SLOWNESS * max(calm, default=0.0)

    @cached_property
    def resumption(self) -> dict[int, float]:
        """Group to the seconds until the first probe after its heal had reached its nodes; infinite when it did not.

        Without those in which our own clients stood still: they could neither ask nor hear.
        """
        found: dict[int, float] = {}
        for whole in self.all(Whole):
            probes = [(task, asked) for task, asked in self.accepted.items() if asked.probe and asked.at >= whole.at]
            if probes:
                task, asked = min(probes, key=lambda probe: probe[1].at)
                arrivals = [self.delivered.get((task, node), float("inf")) for node in asked.nodes]
                arrived = max(arrivals)
                found[whole.group] = arrived - whole.at - self._starved(whole.at, arrived)
        return found

    def _starved(self, begin: float, end: float) -> float:
        spans = [(max(one.at - one.seconds, begin), min(one.at, end)) for one in self.all(Starved)]
        return sum(max(until - since, 0.0) for since, until in spans)


def _is_accepted(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


def _is_refused(status: int | None) -> bool:
    return status is not None and 400 <= status < 500 and status not in _BUSY


def _accepted(facts: _Facts) -> Iterator[str]:
    for key in facts.asked:
        if not facts.replies.get(key):
            yield f"{key} was never accepted"


def _one_a_key(facts: _Facts) -> Iterator[str]:
    for key, tasks in facts.replies.items():
        if len(tasks) > 1:
            yield f"{key} was answered with the tasks {sorted(tasks)}"
    for listed in facts.all(Listed):
        if set(listed.tasks) != facts.replies.get(listed.key, set()) or len(listed.tasks) != 1:
            yield f"{listed.key} stands in the list as {listed.tasks}, its answers said {facts.replies.get(listed.key)}"


def _reached(facts: _Facts) -> Iterator[str]:
    for task, asked in facts.accepted.items():
        for node in asked.nodes:
            # A task that was ended before a node came for it is nothing to deliver any more.
            if (task, node) not in facts.delivered and task not in facts.kills:
                yield f"task {task} ({asked.key}, sent at {asked.at:.2f}) never reached node {node}"


def _one_result_a_node(facts: _Facts) -> Iterator[str]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for read in facts.last.values():
        found[read.task].append(read.node)
    if not found:
        return
    for task, asked in facts.accepted.items():
        if sorted(found[task]) != sorted(asked.nodes):
            yield f"task {task} has results of the nodes {sorted(found[task])}, it is for {sorted(asked.nodes)}"


def _stored(facts: _Facts) -> Iterator[str]:
    for told in facts.all(Told):
        last = facts.last.get(told.result)
        if told.step != "end" or not _is_accepted(told.status) or last is None:
            continue
        if not last.ended or last.outcome != told.outcome:
            yield (
                f"result {told.result}: {told.outcome!r} was accepted at {told.at:.2f}, there is {last.outcome!r}"
                f"{'' if last.ended else ', still open'}"
            )


def _ended(facts: _Facts) -> Iterator[str]:
    for read in facts.last.values():
        if not read.ended:
            yield f"result {read.result} of task {read.task} is still open ({read.outcome!r})"


def _explained(facts: _Facts) -> Iterator[str]:
    for read in facts.last.values():
        killed = read.outcome.startswith("killed by user") and read.task in facts.kills
        if read.ended and not killed and read.outcome not in facts.ends_sent.get(read.result, set()):
            yield f"result {read.result} ended as {read.outcome!r}, which nobody sent"


def _stayed(facts: _Facts) -> Iterator[str]:
    by_result: defaultdict[int, list[Read]] = defaultdict(list)
    for read in facts.all(Read):
        by_result[read.result].append(read)
    for result, reads in by_result.items():
        final: Read | None = None
        for read in sorted(reads, key=lambda read: read.at):
            if final is not None and read.began > final.at and (not read.ended or read.outcome != final.outcome):
                yield f"result {result} had ended as {final.outcome!r}, and was {read.outcome!r} at {read.at:.2f}"
            if final is None and read.ended:
                final = read


def _refused(facts: _Facts) -> Iterator[str]:
    for reply in facts.all(Replied):
        if _is_refused(reply.status):
            yield f"{reply.key} was refused with {reply.status} {reply.code}"
    for kill in facts.all(Killed):
        if _is_refused(kill.status) and kill.status != 400:
            yield f"the kill of task {kill.task} was refused with {kill.status}"
    for told in facts.all(Told):
        if _is_refused(told.status) and not _has_reason(facts, told):
            yield f"node {told.node}'s {told.step} of result {told.result} was refused with {told.status}"


def _has_reason(facts: _Facts, told: Told) -> bool:
    """A result that has ended takes no other end, and no beginning."""
    if told.status != 400:
        return False
    if facts.kills.get(told.task, float("inf")) < told.at:
        return True
    last = facts.last.get(told.result)
    return told.step == "end" and (last is None or last.outcome != told.outcome)


def _heard(facts: _Facts) -> Iterator[str]:
    """Where nothing on its way was hit, and after as long a calm as delivery may take, a socket has heard the event."""
    heard = {(event.task, event.node) for event in facts.all(Heard) if event.event == "task_created"}
    if not facts.records:
        return
    over = facts.records[-1].at
    hits = [fault.at for fault in facts.all(Fault) if fault.part in _ON_THE_WAY]
    nodes = _sockets(facts)
    for task, asked in facts.accepted.items():
        for node, spans in nodes.items():
            if (task, node) in heard:
                continue
            end = next((end for begin, end in spans if begin < asked.at < end), None)
            if end is None:
                continue
            until = min([end, over, *(hit for hit in hits if hit > asked.at - 1)])
            if _longest_calm(facts, asked.at, until) >= RESUMED_WITHIN:
                yield f"node {node}'s open socket never heard of task {task} (sent at {asked.at:.2f})"


def _sockets(facts: _Facts) -> dict[int, list[tuple[float, float]]]:
    """Node to the spans of time in which its socket was open."""
    spans: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for record in facts.records:
        if isinstance(record, Opened):
            spans[record.node].append((record.at, float("inf")))
        elif isinstance(record, Closed) and spans[record.node]:
            spans[record.node][-1] = (spans[record.node][-1][0], record.at)
    return spans


def _longest_calm(facts: _Facts, begin: float, end: float) -> float:
    """The longest time between two moments in which no part was hit or had not come back yet."""
    longest, calm_since, broken = 0.0, begin, False
    for record in facts.records:
        if record.at > end:
            break
        if isinstance(record, Fault):
            if not broken:
                longest = max(longest, record.at - calm_since)
            broken = True
        elif isinstance(record, Whole):
            broken, calm_since = False, max(record.at, begin)
    return longest if broken else max(longest, end - calm_since)


def _resumed(facts: _Facts) -> Iterator[str]:
    for group, seconds in facts.resumption.items():
        if seconds > facts.resumed_within:
            yield f"after the faults {_describe(facts, group)} new tasks needed {seconds:.2f} s to their nodes"
    healed = {whole.group for whole in facts.all(Whole)}
    for group in sorted({fault.group for fault in facts.all(Fault)} - healed):
        yield f"after the faults {_describe(facts, group)} the parts never all answered again"


def _describe(facts: _Facts, group: int) -> str:
    hits = [
        f"{fault.kind} {fault.part}" for fault in facts.all(Fault) if (fault.group, fault.phase) == (group, "begin")
    ]
    return f"#{group} ({', '.join(hits)})"


def _counts(facts: _Facts) -> Counter[str]:
    deliveries = Counter((one.node, one.result) for one in facts.all(Delivered))
    counts = Counter(
        {
            "tasks": len(facts.accepted),
            "results": len(facts.last),
            "deliveries": len(facts.all(Delivered)),
            "duplicate deliveries": sum(deliveries.values()) - len(deliveries),
            "PATCHes": len(facts.all(Told)),
            "PATCHes unanswered": sum(told.status is None or told.status >= 500 for told in facts.all(Told)),
            "PATCHes refused": sum(_is_refused(told.status) for told in facts.all(Told)),
            "POSTs": len(facts.all(Replied)),
            "POSTs unanswered": sum(reply.status is None or reply.status >= 500 for reply in facts.all(Replied)),
            "tasks killed": len({kill.task for kill in facts.all(Killed) if _is_accepted(kill.status)}),
            "sockets opened": len(facts.all(Opened)),
            "readings": len(facts.all(Read)),
        }
    )
    counts.update(f"{fault.kind} {fault.part}" for fault in facts.all(Fault) if fault.phase == "begin")
    counts.update(f"retries of {retried.what}" for retried in facts.all(Retried))
    return +counts


PROMISES: Mapping[str, Callable[[_Facts], Iterator[str]]] = {
    "every task is accepted in the end": _accepted,
    "a task sent again is one task": _one_a_key,
    "every accepted task reached every addressed node": _reached,
    "every accepted task has one result a node": _one_result_a_node,
    "every accepted outcome is stored": _stored,
    "every result ended": _ended,
    "every stored outcome was sent": _explained,
    "no result left a final state": _stayed,
    "nobody is refused without a reason": _refused,
    "an open socket hears what is said": _heard,
    "delivery resumes after a heal": _resumed,
}
"""What is promised, and what finds where it was not kept."""
