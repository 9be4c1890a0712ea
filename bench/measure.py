"""Timing: several rounds of each case in turn, so that a machine whose speed drifts slows all of them alike."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """Something to time. One case of a group is its baseline."""

    name: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Median seconds a call, and the ratio to the baseline of the same run (1.0: the baseline itself)."""

    name: str
    seconds: float
    ratio: float


def compare(baseline: Case, *others: Case, rounds: int = 7, calls: int = 20) -> list[Timing]:
    """Time the baseline and the others in turn; the baseline comes first in the answer."""
    cases = (baseline, *others)
    taken: dict[str, list[float]] = {case.name: [] for case in cases}
    for case in cases:
        case.run()
    for _ in range(rounds):
        for case in cases:
            taken[case.name].append(_seconds_a_call(case.run, calls))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    return [Timing(case.name, medians[case.name], medians[case.name] / medians[baseline.name]) for case in cases]


def _seconds_a_call(run: Callable[[], object], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - started) / calls
