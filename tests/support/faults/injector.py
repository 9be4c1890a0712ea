"""Hits the parts of a running stack, at moments and in an order drawn from a seed."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from support.faults.history import Fault, History, Kind, Whole

PARTS = ("gateway", "auth", "entity", "dispatch", "dispatch-2", "worker", "beat", "redis", "postgres")
"""All that a stack may have; `dispatch-2` where it has two instances of dispatch."""
_HEAL_SECONDS = 90


class Parts(Protocol):
    """A running stack whose parts can be hit. All of these block."""

    @property
    def url(self) -> str:
        """Scheme, host and port of the gateway."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """The parts that there are."""
        ...

    def kill(self, part: str) -> None:
        """SIGKILL all processes of a part; what keeps the stack brings it back."""
        ...

    def freeze(self, part: str) -> None:
        """Stop all processes of a part where they are."""
        ...

    def thaw(self, part: str) -> None:
        """Let them go on."""
        ...

    def cut(self, part: str) -> None:
        """Take a part off the network."""
        ...

    def join(self, part: str) -> None:
        """Put it back."""
        ...

    def flush(self) -> None:
        """Empty Redis."""
        ...

    def problems(self) -> list[str]:
        """What is wrong with the parts now; none when all of them answer."""
        ...


@dataclass(frozen=True)
class Hit:
    """One part hit in one way; `after` seconds from the group's beginning, for `seconds` where it lasts."""

    part: str
    kind: Kind
    seconds: float = 0.0
    after: float = 0.0


Group = Sequence[Hit]
"""Hits that overlap: the stack is whole before and after."""


def one_of_each(chance: random.Random, parts: Sequence[str], kinds: Sequence[Kind]) -> list[Group]:
    """Each part hit in each way, in some order."""
    hits = list(product(parts, kinds))
    return [(_hit(chance, part, kind),) for part, kind in chance.sample(hits, len(hits))]


def doubles(chance: random.Random, parts: Sequence[str], kinds: Sequence[Kind], count: int) -> list[Group]:
    """So many groups of two different parts hit at about the same time."""
    groups: list[Group] = []
    for _ in range(count):
        first, second = chance.sample(parts, 2)
        groups.append(
            [
                _hit(chance, first, chance.choice(kinds)),
                _hit(chance, second, chance.choice(kinds), chance.uniform(0, 1)),
            ]
        )
    return groups


def _hit(chance: random.Random, part: str, kind: Kind, after: float = 0.0) -> Hit:
    lasts = kind in ("freeze", "cut")
    seconds = (
        chance.choice([chance.uniform(0.3, 2), chance.uniform(0.3, 2), chance.uniform(5.5, 6.5)]) if lasts else 0.0
    )
    return Hit(part, kind, seconds, after)


@dataclass
class Injector:
    """Carries groups of hits out, one after another. `probe` is called when the stack is whole again."""

    parts: Parts
    history: History
    chance: random.Random
    probe: Callable[[], Awaitable[bool]]
    _number: int = 0

    async def run(self, groups: Sequence[Group]) -> None:
        """One group after another; after each it is seen whether new tasks are delivered."""
        for group in groups:
            await asyncio.sleep(self.chance.uniform(0, 0.6))
            if await self.inflict(group):
                await self.probe()

    async def inflict(self, group: Group) -> bool:
        """Hit, and wait until all parts answer again; False when they do not."""
        self._number += 1
        await asyncio.gather(*(self._hit(hit, self._number) for hit in group))
        if not await self._healed():
            return False
        self.history.add(Whole(self.history.now, self._number))
        return True

    async def _hit(self, hit: Hit, group: int) -> None:
        await asyncio.sleep(hit.after)
        self.history.add(Fault(self.history.now, group, hit.part, hit.kind, "begin"))
        match hit.kind:
            case "kill":
                await asyncio.to_thread(self.parts.kill, hit.part)
            case "flush":
                await asyncio.to_thread(self.parts.flush)
            case "freeze":
                await self._for_a_while(hit, self.parts.freeze, self.parts.thaw)
            case "cut":
                await self._for_a_while(hit, self.parts.cut, self.parts.join)
        self.history.add(Fault(self.history.now, group, hit.part, hit.kind, "end"))

    async def _for_a_while(self, hit: Hit, begin: Callable[[str], None], end: Callable[[str], None]) -> None:
        await asyncio.to_thread(begin, hit.part)
        try:
            await asyncio.sleep(hit.seconds)
        finally:
            await asyncio.to_thread(end, hit.part)

    async def _healed(self) -> bool:
        try:
            async with asyncio.timeout(_HEAL_SECONDS):
                while await asyncio.to_thread(self.parts.problems):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return False
        return True
