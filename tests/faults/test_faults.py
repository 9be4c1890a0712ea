"""Any part of the stack may be killed or frozen at any moment, also two at once: nothing that was accepted is lost.

The seed of a run is printed; `FAULT_SEED=... pytest tests/faults` draws the same faults again.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.faults.checker import RESUMED_WITHIN, Report
from support.faults.history import Kind
from support.faults.injector import Group, Hit, doubles, one_of_each
from support.faults.local_parts import LocalParts, local_stack
from support.faults.nodes import Habits
from support.faults.scenes import (
    all_answer_twice_at_once,
    jobs_end_while_redis_is_away,
    wake_up_call_is_lost,
    worker_dies_while_it_marks,
)
from support.faults.trial import REST_SECONDS, Scene, Trial, drawn_seed

VARIANTS = Path(__file__).parents[1] / "support" / "faults" / "variants"
SHORT_TOKENS = {"auth": {"DATAQUALITY_ACCESS_TOKEN_HOURS": "0.005"}}
"""Tokens that expire after 18 seconds: they are renewed while parts are away."""


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalParts]:
    """A stack of this module's own, with Postgres."""
    with local_stack("description: hit in every place", SHORT_TOKENS) as parts:
        yield parts


def faults(seed: int, parts: LocalParts) -> list[Group]:
    """Each part killed and frozen, two double faults, Redis emptied: in some order."""
    chance = random.Random(seed)
    groups = [
        *one_of_each(chance, parts.names, ("kill", "freeze")),
        *doubles(chance, parts.names, ("kill", "freeze"), 2),
        [Hit("redis", "flush")],
    ]
    return chance.sample(groups, len(groups))


@pytest.mark.timeout(900)
def test_nothing_is_lost_whatever_part_is_hit_under_load(stack: LocalParts, tmp_path: Path):
    seed = drawn_seed()
    report = Trial(stack, tmp_path, seed, longest=700).run(faults(seed, stack), least_tasks=300)
    assert not report.violations
    assert report.counts["tasks"] >= 300


def calm(stack: LocalParts, folder: Path, habits: Habits | None = None, patience: float = REST_SECONDS) -> Trial:
    """A small run on that stack."""
    return Trial(stack, folder, drawn_seed(), nodes=2, habits=habits or Habits(), patience=patience)


@dataclass(frozen=True)
class Aimed:
    """A scene, the part that is broken for it, and the promise that this breaks."""

    part: str
    promise: str
    scene: Callable[[LocalParts], Scene]
    habits: Habits = field(default_factory=Habits)
    patience: float = RESUMED_WITHIN
    """With the broken part; no longer where time would heal what it does. A sound one is waited for: it may be slow."""


SCENES = {
    "mark_before_emit": Aimed("worker", "every accepted task reached every addressed node", worker_dies_while_it_marks),
    "no_sweep": Aimed("beat", "every accepted task reached every addressed node", wake_up_call_is_lost),
    "no_conditional_update": Aimed(
        "dispatch",
        "every accepted outcome is stored",
        lambda _: all_answer_twice_at_once(15),
        Habits(answers_twice_at_once=1.0, answers_late=0.0),
        REST_SECONDS,
    ),
}
"""By the variant of the part."""


def played(aimed: Aimed, stack: LocalParts, folder: Path, patience: float = REST_SECONDS) -> Report:
    return calm(stack, folder, aimed.habits, patience).play(aimed.scene(stack))


@pytest.mark.parametrize("variant", SCENES)
def test_the_sound_stack_stands_the_scene_that_each_broken_one_is_shown_by(
    stack: LocalParts, tmp_path: Path, variant: str
):
    assert not played(SCENES[variant], stack, tmp_path).violations


@pytest.mark.parametrize("variant", SCENES)
def test_a_stack_that_is_broken_on_purpose_turns_the_suite_red(stack: LocalParts, tmp_path: Path, variant: str):
    aimed = SCENES[variant]
    with stack.restarted_with(aimed.part, {"PYTHONPATH": str(VARIANTS), "FAULT_VARIANT": variant}):
        assert aimed.promise in played(aimed, stack, tmp_path, aimed.patience).broken


def test_a_worker_whose_jobs_ended_while_redis_was_away_takes_jobs_again(stack: LocalParts, tmp_path: Path):
    report = calm(stack, tmp_path).play(jobs_end_while_redis_is_away(stack))
    assert not report.violations
    assert report.resumed


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("keys", ["dispatch_instances: 2", "uri: sqlite:///faults.sqlite"])
def test_nothing_is_lost_in_a_long_run_either(keys: str, tmp_path: Path):
    seed, rounds = drawn_seed(), int(os.environ.get("FAULT_ROUNDS", "5"))
    chance = random.Random(seed)
    with local_stack(keys, SHORT_TOKENS) as parts:
        kinds: tuple[Kind, ...] = ("kill", "freeze")
        groups = [
            group
            for number in range(rounds)
            for group in (*faults(seed + number, parts), *doubles(chance, parts.names, kinds, 6))
        ]
        report = Trial(parts, tmp_path, seed, longest=3300).run(groups, least_tasks=400 * rounds)
    assert not report.violations
