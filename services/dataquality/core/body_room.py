"""Memory for large bodies: room while they arrive (`Intake`) and while they are worked on (`Budget`).

A body that is still arriving takes room step by step, for what has come so far. So a slow sender holds only what it has
sent, and others use the rest. Whoever finds no room waits: the sender is held up by its own connection, nothing is
refused and nothing is kept.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager


class Budget:
    """So many bytes may be in memory at once; first come, first served."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._beyond = asyncio.Lock()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def room_for(self, size: int) -> AsyncGenerator[None]:
        """Wait for room, and hold it until the block ends. What is larger than the budget has all of it."""
        size = min(size, self.size)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self._admit()
        try:
            await turn
            yield
        finally:
            self._leave(size, turn)

    @asynccontextmanager
    async def room_beyond(self, _size: int) -> AsyncGenerator[None]:
        """Room for one who holds some and would wait for itself: beyond the budget, but one at a time."""
        async with self._beyond:
            yield

    def _admit(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            self._free -= size
            if turn.cancelled():
                self._free += size
            else:
                turn.set_result(None)

    def _leave(self, size: int, turn: "asyncio.Future[None]") -> None:
        if turn.done() and not turn.cancelled():
            self._free += size
        self._admit()


class Intake:
    """So many bytes of bodies that are still arriving may be in memory at once.

    A step is granted only while all that have begun could still end, one after the other (the banker's algorithm): two
    half-received bodies never wait for each other.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._begun: set[Arrival] = set()
        self._waiting: dict[asyncio.Future[None], tuple[Arrival, int]] = {}

    @contextmanager
    def arrival(self, most: int) -> "Generator[Arrival]":
        """A body of at most so many bytes; it gives all of its room back after the block."""
        arrival = Arrival(self, min(most, self._size))
        try:
            yield arrival
        finally:
            self._begun.discard(arrival)
            self._grant()

    async def grow(self, arrival: "Arrival", size: int) -> None:
        """Wait until the arrival may hold so many bytes more."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = (arrival, size)
        try:
            self._grant()
            await turn
        finally:
            self._waiting.pop(turn, None)

    def _grant(self) -> None:
        for turn, (arrival, size) in list(self._waiting.items()):
            if not turn.done() and self._grants(arrival, size):
                turn.set_result(None)

    def _grants(self, arrival: "Arrival", size: int) -> bool:
        is_new = arrival not in self._begun
        arrival.held += size
        self._begun.add(arrival)
        if self._all_can_end():
            return True
        arrival.held -= size
        if is_new:
            self._begun.discard(arrival)
        return False

    def _all_can_end(self) -> bool:
        free = self._size - sum(arrival.held for arrival in self._begun)
        for arrival in sorted(self._begun, key=lambda one: one.missing):
            if free < 0 or arrival.missing > free:
                return False
            free += arrival.held
        return True


class Arrival:
    """One body that is arriving, and the room that it holds."""

    def __init__(self, intake: Intake, most: int) -> None:
        self._intake = intake
        self._most = most
        self.held = 0

    @property
    def missing(self) -> int:
        """Bytes that may still come."""
        return self._most - self.held

    async def grow(self, size: int) -> None:
        """Wait for room for so many bytes more; for fewer where fewer are missing."""
        if step := min(size, self.missing):
            await self._intake.grow(self, step)
