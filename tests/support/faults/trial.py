"""One run from beginning to end: a world, nodes and researchers, faults, rest, the last reading, the verdict."""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.collaborations import PASSWORD
from support.faults.calls import Caller, new_http
from support.faults.checker import Report, check
from support.faults.history import History, Starved, read_history
from support.faults.injector import Group, Injector, Parts
from support.faults.load import Addressee, Load, Pace, Researcher
from support.faults.nodes import Habits, SimulatedNode
from support.services import ROOT, Api, unique

PROBE_SECONDS = 30.0
"""How long a probe is waited for: longer than it may take, so that the report can say how long it took."""
REST_SECONDS = 60.0
_PULSE_SECONDS = 0.25


def drawn_seed() -> int:
    """`$FAULT_SEED`, else one by chance."""
    return int(os.environ.get("FAULT_SEED") or secrets.randbelow(10**9))


@dataclass(frozen=True)
class Stage:
    """All that takes part in a run."""

    parts: Parts
    history: History
    load: Load
    injector: Injector


Scene = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Trial:
    """How a run is to be. `seed` decides all that is left to chance here; what the machine adds, it cannot."""

    parts: Parts
    folder: Path
    seed: int
    nodes: int = 5
    pace: Pace = field(default_factory=Pace)
    habits: Habits = field(default_factory=Habits)
    patience: float = REST_SECONDS
    """Seconds after the last fault within which all work is done."""
    longest: float = 400.0
    """Seconds after which a run is given up: less than pytest's own patience, so that the stack is ended in order."""

    def run(self, groups: Sequence[Group], least_tasks: int) -> Report:
        """Have the groups of faults inflicted on the stack under load of at least so many tasks."""

        async def under_load(stage: Stage) -> None:
            async with asyncio.TaskGroup() as together:
                together.create_task(stage.load.run(least_tasks))
                # What delivery takes on this machine, with nothing amiss.
                for _ in range(3):
                    await stage.load.probe(PROBE_SECONDS)
                await stage.injector.run(groups)
                stage.load.stop()

        return self.play(under_load)

    def play(self, scene: Scene) -> Report:
        """Have a scene played between the beginning and the last reading. Raises when the suite itself goes wrong."""
        history = History(self.folder / f"history-{self.seed}-{secrets.token_hex(3)}.jsonl")
        print(f"seed {self.seed}; the history is {history.path}")
        try:
            asyncio.run(self._play(scene, history))
        finally:
            history.close()
        report = check(read_history(history.path.read_text().splitlines()))
        print(report)
        return report

    async def _play(self, scene: Scene, history: History) -> None:
        async with asyncio.timeout(self.longest), self._stage(history) as stage:
            await scene(stage)
            await stage.load.rest(self.patience)
            await stage.load.researcher.read_all()
            errors = [error for node in stage.load.nodes for error in node.errors]
            if errors:
                raise ExceptionGroup("the nodes themselves went wrong", [Exception(repr(error)) for error in errors])

    @asynccontextmanager
    async def _stage(self, history: History) -> AsyncGenerator[Stage]:
        world = await asyncio.to_thread(new_fault_world, self.parts.url, self.nodes)
        async with AsyncExitStack() as ending:
            pulse = asyncio.create_task(_feel_the_pulse(history))
            ending.callback(pulse.cancel)
            callers = _Callers(self.parts.url, history, self.seed, ending)
            researcher = Researcher(
                await callers.new("researcher", "/token/user", {"username": world.username, "password": PASSWORD}),
                history, random.Random(f"{self.seed} researcher"), world.collaboration, world.addressees,
            )  # fmt: skip
            nodes = [
                SimulatedNode(
                    one.node, self.parts.url,
                    await callers.new(f"node {place}", "/token/node", {"api_key": world.api_keys[one.node]}),
                    history, random.Random(f"{self.seed} node {place}"), self.habits,
                )
                for place, one in enumerate(world.addressees)
            ]  # fmt: skip
            load = Load(researcher, nodes, self.pace)
            for node in nodes:
                await node.start()
                ending.push_async_callback(node.stop)
            chance = random.Random(f"{self.seed} injector")
            yield Stage(
                self.parts, history, load, Injector(self.parts, history, chance, lambda: load.probe(PROBE_SECONDS))
            )


async def _feel_the_pulse(history: History) -> None:
    """Note when this process stood still, as on a starved machine."""
    while True:
        before = history.now
        await asyncio.sleep(_PULSE_SECONDS)
        late = history.now - before - _PULSE_SECONDS
        if late > _PULSE_SECONDS:
            history.add(Starved(history.now, late))


@dataclass(frozen=True)
class _Callers:
    url: str
    history: History
    seed: int
    ending: AsyncExitStack

    async def new(self, name: str, path: str, body: dict[str, Any]) -> Caller:
        http = await self.ending.enter_async_context(new_http(self.url))
        caller = Caller(http, self.history, random.Random(f"{self.seed} {name}"), name, (path, body))
        await caller.renew("")
        return caller


@dataclass(frozen=True)
class FaultWorld:
    """A collaboration of organizations with a node each, and a researcher of the first one."""

    collaboration: int
    addressees: list[Addressee]
    api_keys: dict[int, str]
    username: str


def new_fault_world(url: str, nodes: int) -> FaultWorld:
    """A world of the run's own, made through the gateway."""
    root = Api(dict.fromkeys(("auth", "entity", "dispatch"), url))
    tokens = root.made("/token/user", {"username": ROOT[0], "password": ROOT[1]})
    root = Api(root.addresses, tokens["access_token"])
    organizations = [root.made("/organization", {"name": unique("org")})["id"] for _ in range(nodes)]
    collaboration = root.made("/collaboration", {"name": unique("col"), "organization_ids": organizations})["id"]
    addressees: list[Addressee] = []
    keys: dict[int, str] = {}
    for organization in organizations:
        node = root.made("/node", {"organization_id": organization, "collaboration_id": collaboration})
        addressees.append(Addressee(node["id"], organization))
        keys[node["id"]] = node["api_key"]
    return FaultWorld(collaboration, addressees, keys, _new_researcher(root, organizations[0]))


def _new_researcher(root: Api, organization: int) -> str:
    roles = [one["id"] for one in root.get("/role").json() if one["name"] in ("Researcher", "Organization Admin")]
    name = unique("researcher")
    body = {"username": name, "firstname": "A", "lastname": "B", "password": PASSWORD}
    root.made("/user", body | {"email": f"{name}@example.org", "organization_id": organization, "roles": roles})
    return name
