"""Bodies without a valid token: a time for each, and the oldest is cut where too many wait."""

import asyncio
from collections.abc import Sequence

import pytest

from dataquality.core.errors import TooSlow
from dataquality.core.pending_bodies import PendingBodies


class Sender:
    """One that begins a body and sends the rest of it when it is told to."""

    def __init__(self, pending: PendingBodies, address: str | None) -> None:
        self.rest = asyncio.Event()
        self.task = asyncio.create_task(self._send(pending, address))

    async def _send(self, pending: PendingBodies, address: str | None) -> bool:
        try:
            async with pending.one_of(address):
                await self.rest.wait()
        except TooSlow:
            return False
        return True


async def arrived(pending: PendingBodies, addresses: Sequence[str | None]) -> list[bool]:
    """Which of the bodies arrive that begin in this order and end once all have begun."""
    senders: list[Sender] = []
    for address in addresses:
        senders.append(Sender(pending, address))
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    for sender in senders:
        sender.rest.set()
    return [await sender.task for sender in senders]


async def test_body_that_stays_away_is_cut() -> None:
    sender = Sender(PendingBodies(0.05, 5, 5), "a")
    assert await sender.task is False


async def test_bodies_within_the_limits_arrive() -> None:
    assert await arrived(PendingBodies(30, 2, 4), ["a", "a", "b", "b"]) == [True] * 4


async def test_oldest_of_an_address_is_cut_for_its_newest() -> None:
    assert await arrived(PendingBodies(30, 2, 9), ["b", "a", "a", "a"]) == [True, False, True, True]


async def test_oldest_of_the_address_with_most_is_cut_for_another() -> None:
    assert await arrived(PendingBodies(30, 3, 4), ["b", "a", "a", "a", "c"]) == [True, False, True, True, True]


async def test_callers_who_cannot_be_told_apart_share_no_limit_of_one_address() -> None:
    assert await arrived(PendingBodies(30, 1, 4), [None, None, None, "a"]) == [True] * 4
    assert await arrived(PendingBodies(30, 1, 4), [None, None, None, None, "a"]) == [False, True, True, True, True]


async def test_flood_leaves_a_newcomer_its_turn_and_nothing_behind() -> None:
    pending = PendingBodies(30, 2, 4)
    flood = [f"address {number % 7}" for number in range(200)]
    assert (await arrived(pending, [*flood, "newcomer"]))[-1] is True
    assert await arrived(pending, ["a", "a", "b", "b"]) == [True] * 4


@pytest.mark.parametrize("number", [1, 5])
async def test_body_whose_client_goes_away_leaves_its_place(number: int) -> None:
    pending = PendingBodies(30, 1, 1)
    for _ in range(number):
        sender = Sender(pending, "a")
        await asyncio.sleep(0)
        sender.task.cancel()
        await asyncio.sleep(0)
    assert await arrived(pending, ["a"]) == [True]
