"""Researchers who post tasks without a pause, end some, and look at results; and what is read when all is over."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.faults.calls import Answer, Caller
from support.faults.history import Asked, History, Killed, Listed, Read, Replied
from support.faults.nodes import SimulatedNode, outcome_of

IMAGE = "registry.example/average:1"
_PAGE = 100


@dataclass(frozen=True)
class Addressee:
    """A node that tasks can be for, and its organization."""

    node: int
    organization: int


@dataclass
class Researcher:
    """Posts tasks to one collaboration. `keys` begin all names of its tasks."""

    caller: Caller
    history: History
    chance: random.Random
    collaboration: int
    addressees: Sequence[Addressee]
    keys: str = "task"
    accepted: dict[int, Sequence[Addressee]] = field(default_factory=dict[int, Sequence[Addressee]])
    """Tasks by their id."""
    _count: int = 0

    async def ask(self, addressees: Sequence[Addressee] = (), *, probe: bool = False) -> int:
        """A new task for some of the nodes, sent until it is answered; its id, 0 when it was refused."""
        self._count += 1
        key = f"{'probe' if probe else self.keys}-{self._count}-{self.chance.getrandbits(32):08x}"
        chosen = addressees or self.chance.sample(self.addressees, self.chance.randint(1, 3))
        self.history.add(Asked(self.history.now, key, [one.node for one in chosen], probe))

        def noted(_: float, answer: Answer) -> None:
            self.history.add(_reply(self.history.now, key, answer))

        body = {
            "name": key, "description": "", "image": IMAGE, "database": "default",
            "collaboration_id": self.collaboration,
            "organizations": [{"id": one.organization, "input": key} for one in chosen],
        }  # fmt: skip
        answer = await self.caller.until_answered("POST", "/task", noted, json=body, headers={"Idempotency-Key": key})
        if answer.status_code != 201:
            return 0
        task = int(answer.json()["id"])
        self.accepted[task] = chosen
        return task

    async def end(self, task: int) -> None:
        """Have a task ended."""

        def noted(began: float, answer: Answer) -> None:
            status = None if answer is None else answer.status_code
            self.history.add(Killed(self.history.now, began, task, status))

        await self.caller.until_answered("POST", "/kill/task", noted, json={"id": task})

    async def look(self, task: int) -> None:
        """Read the results of a task, once, if that is possible at the moment."""
        began = self.history.now
        answer = await self.caller.once("GET", "/result", params={"task_id": task})
        if answer is not None and answer.status_code == 200:
            for result in answer.json():
                self.history.add(self._read(began, result))

    async def read_all(self) -> None:
        """Read all results and the list of tasks, when all is over."""
        began, names = self.history.now, dict[str, list[int]]()
        for task in await self._pages("/task", {"collaboration_id": self.collaboration}):
            names.setdefault(task["name"], []).append(task["id"])
        for key, tasks in names.items():
            self.history.add(Listed(self.history.now, key, tasks))
        for result in await self._pages("/result", {}):
            if result["task"]["id"] in self.accepted:
                self.history.add(self._read(began, result, last=True))

    async def _pages(self, path: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = {"page": len(found) // _PAGE + 1, "per_page": _PAGE}
            answer = await self.caller.until_answered("GET", path, params=query | page)
            answer.raise_for_status()
            items = answer.json()
            found += items
            if len(items) < _PAGE:
                return found

    def _read(self, began: float, result: dict[str, Any], *, last: bool = False) -> Read:
        outcome = outcome_of(result["status"], result["result"])
        task, node, ended = result["task"]["id"], result["node"]["id"], result["finished_at"] is not None
        return Read(self.history.now, began, task, result["id"], node, ended, outcome, last)


def _reply(now: float, key: str, answer: Answer) -> Replied:
    if answer is None:
        return Replied(now, key, None)
    with contextlib.suppress(ValueError):
        said = answer.json()
        task = said.get("id") if answer.status_code == 201 else None
        return Replied(now, key, answer.status_code, task, str(said.get("code", "")))
    return Replied(now, key, answer.status_code)


@dataclass(frozen=True)
class Pace:
    """How much is asked: `posters` each wait up to `patience` seconds for delivery, then pause about so many seconds.

    Of the tasks, so large parts are ended, or looked at.
    """

    posters: int = 4
    pause: float = 0.6
    patience: float = 4.0
    ended: float = 0.04
    read: float = 0.3


@dataclass
class Load:
    """What goes on while parts are hit."""

    researcher: Researcher
    nodes: Sequence[SimulatedNode]
    pace: Pace = Pace()
    ended: set[int] = field(default_factory=set[int])
    """Tasks that were not left to their nodes."""
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, least: int) -> None:
        """Post tasks until `stop`, and until there are that many at least."""
        await asyncio.gather(*(self._post(least) for _ in range(self.pace.posters)))

    def stop(self) -> None:
        """Post no more once there are enough."""
        self._over.set()

    async def probe(self, patience: float) -> bool:
        """A task for all nodes; True once it has reached them all, False when that takes longer than `patience`."""
        researcher = self.researcher
        try:
            async with asyncio.timeout(patience):
                task = await researcher.ask(researcher.addressees, probe=True)
                await until(lambda: self._has_reached_all(task))
        except TimeoutError:
            return False
        return True

    async def rest(self, patience: float) -> bool:
        """Wait until every accepted task has reached its nodes and every node has done its work."""
        try:
            async with asyncio.timeout(patience):
                await until(lambda: all(map(self._has_reached_all, self.researcher.accepted.keys() - self.ended)))
                await until(lambda: all(node.done >= node.queued.keys() for node in self.nodes))
        except TimeoutError:
            return False
        return True

    def _has_reached_all(self, task: int) -> bool:
        by_id = {node.id: node for node in self.nodes}
        asked = self.researcher.accepted.get(task, ())
        return bool(asked) and all(task in by_id[one.node].tasks for one in asked)

    async def _post(self, least: int) -> None:
        chance, pace, researcher = self.researcher.chance, self.pace, self.researcher
        while not self._over.is_set() or len(researcher.accepted) < least:
            task = await researcher.ask()
            if task and chance.random() < pace.ended:
                await asyncio.sleep(chance.uniform(0, 0.3))
                self.ended.add(task)
                await researcher.end(task)
            if researcher.accepted and chance.random() < pace.read:
                await researcher.look(chance.choice(list(researcher.accepted)))
            # As researchers do, who wait for an answer: a server that is slow is not flooded.
            await self._reached(task, pace.patience)
            await asyncio.sleep(pace.pause * chance.uniform(0.5, 1.5))

    async def _reached(self, task: int, patience: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await until(lambda: task in self.ended or self._has_reached_all(task))


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
