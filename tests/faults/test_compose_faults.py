"""The same under compose, where a part may also be cut off from the network."""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.compose import require_engine
from support.faults.compose_parts import ComposeParts, compose_stack
from support.faults.history import Kind
from support.faults.injector import Group, Hit, doubles, one_of_each
from support.faults.trial import Trial, drawn_seed

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def stack() -> Iterator[ComposeParts]:
    """A stack of this module's own, with two instances of dispatch."""
    require_engine()
    with compose_stack("dispatch_instances: 2") as parts:
        yield parts


def faults(seed: int, parts: ComposeParts) -> list[Group]:
    """Each part killed, frozen and cut off, two double faults, Redis emptied: in some order."""
    chance = random.Random(seed)
    kinds: tuple[Kind, ...] = ("kill", "freeze", "cut")
    groups = [
        *one_of_each(chance, parts.names, kinds),
        *doubles(chance, parts.names, kinds, 2),
        (Hit("redis", "flush"),),
    ]
    return chance.sample(groups, len(groups))


def test_nothing_is_lost_whatever_container_is_hit_under_load(stack: ComposeParts, tmp_path: Path):
    seed = drawn_seed()
    report = Trial(stack, tmp_path, seed, longest=700).run(faults(seed, stack), least_tasks=300)
    assert not report.violations


def test_a_worker_and_a_redis_that_come_back_at_other_addresses_find_one_another(stack: ComposeParts, tmp_path: Path):
    """Their connections end without a word: neither hears that the other is gone, and who waits sends nothing."""
    away = (Hit("redis", "cut", seconds=2.2), Hit("worker", "cut", after=0.1, seconds=1.2))
    report = Trial(stack, tmp_path, drawn_seed(), longest=300).run([away], least_tasks=30)
    assert not report.violations


async def many_at_once(url: str, number: int) -> None:
    """The gateway keeps as many connections to the services afterwards."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answers = await asyncio.gather(*(client.get(f"{url}/api/version") for _ in range(number)))
    assert {answer.status_code for answer in answers} == {200}


def test_a_gateway_that_comes_back_at_another_address_answers_at_once(stack: ComposeParts):
    """What it sends over connections of its old address is never answered, and nobody says so."""
    before = stack.addresses("gateway")
    asyncio.run(many_at_once(stack.url, 80))
    stack.cut("gateway")
    stack.cut("entity")  # whose address is the next to be given in the network that both are in
    time.sleep(2)
    stack.join("gateway")
    stack.join("entity")
    assert stack.addresses("gateway") != before
    asyncio.run(many_at_once(stack.url, 20))
