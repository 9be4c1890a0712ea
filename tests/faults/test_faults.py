"""Any part of the stack may be killed or frozen at any moment, also two at once: nothing that was accepted is lost.

The seed of a run is printed; `FAULT_SEED=... pytest tests/faults` draws the same faults again.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.faults.injector import Group, Hit, doubles, one_of_each
from support.faults.local_parts import LocalParts, local_stack
from support.faults.trial import Trial, drawn_seed

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


def test_nothing_is_lost_whatever_part_is_hit_under_load(stack: LocalParts, tmp_path: Path):
    seed = drawn_seed()
    report = Trial(stack, tmp_path, seed).run(faults(seed, stack), least_tasks=300)
    assert not report.violations
    assert report.counts["tasks"] >= 300
