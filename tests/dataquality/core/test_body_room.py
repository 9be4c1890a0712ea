"""Room for bodies that arrive: as much as has come, and never two that wait for each other."""

import asyncio
from collections.abc import Awaitable

import pytest

from dataquality.core.body_reading import Blocks
from dataquality.core.body_room import Intake
from dataquality.core.errors import TooManyRequests
from dataquality.core.turns import Turns


async def waits(call: Awaitable[None]) -> bool:
    """Whether the call is still waiting after everything else had its turn."""
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    is_waiting = not task.done()
    task.cancel()
    return is_waiting


async def test_slow_body_leaves_others_what_it_has_not_sent() -> None:
    intake = Intake(10)
    with intake.arrival(10) as slow, intake.arrival(8) as fast:
        await slow.grow(2)
        assert not await waits(fast.grow(8))


async def test_body_waits_for_room_and_gets_it_when_another_ends() -> None:
    intake = Intake(10)
    with intake.arrival(10) as second:
        with intake.arrival(10) as first:
            await first.grow(6)
            turn = asyncio.ensure_future(second.grow(6))
            await asyncio.sleep(0)
            assert not turn.done()
        await asyncio.wait_for(turn, 5)
        assert second.held == 6


async def test_bodies_that_could_only_wait_for_each_other_are_not_both_begun() -> None:
    intake = Intake(10)
    with intake.arrival(10) as first, intake.arrival(10) as second:
        await first.grow(1)
        assert await waits(second.grow(1))
        assert not await waits(first.grow(9))


async def test_waiting_body_that_gives_up_takes_no_room() -> None:
    intake = Intake(10)
    with intake.arrival(10) as first, intake.arrival(10) as second:
        await first.grow(6)
        assert await waits(second.grow(6))
    with intake.arrival(10) as third:
        assert not await waits(third.grow(10))


async def test_many_bodies_within_the_room_all_arrive() -> None:
    intake = Intake(20)

    async def receive(size: int) -> None:
        with intake.arrival(size) as arrival:
            for _ in range(size):
                await arrival.grow(1)
                await asyncio.sleep(0)

    sizes = [number % 10 + 1 for number in range(50)]
    await asyncio.wait_for(asyncio.gather(*map(receive, sizes)), 30)


async def test_turns_of_one_key_hold_up_no_other() -> None:
    turns = Turns(1, 2)

    async def once(key: str) -> None:
        async with turns.of(key):
            pass

    async with turns.of("a"):
        assert await waits(once("a"))
        assert not await waits(once("b"))
    assert not await waits(once("a"))


async def test_too_many_turns_of_one_key_are_refused() -> None:
    turns = Turns(2, 2)
    async with turns.of("a"), turns.of("a"):
        with pytest.raises(TooManyRequests):
            async with turns.of("a"):
                pass


def test_body_in_blocks_is_the_same_body() -> None:
    blocks, body = Blocks(), bytes(range(256)) * 10_000
    for start in range(0, len(body), 65_000):
        blocks.add(body[start : start + 65_000])
    pieces = [blocks.pop()]
    while pieces[-1][1]:
        pieces.append(blocks.pop())
    assert b"".join(piece for piece, _ in pieces) == body
    assert blocks.size == len(body)
