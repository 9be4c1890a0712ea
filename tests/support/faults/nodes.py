"""Simulated nodes: as many as wanted in one process, each with a real Socket.IO client, behaving as the contract has it
(events.md sections 5 to 7). They lose no state themselves: what they were given, they work off."""

import asyncio
import contextlib
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import socketio  # pyright: ignore[reportMissingTypeStubs]
from socketio.exceptions import ConnectionError as NotConnected  # pyright: ignore[reportMissingTypeStubs]

from support.faults.calls import Answer, Caller
from support.faults.history import Closed, Delivered, Heard, History, Opened, Retried, Told

NAMESPACE = "/tasks"
WORKERS = 8
"""Algorithms that a node runs at the same time."""
_PING_SECONDS = 10


@dataclass(frozen=True)
class Habits:
    """How often a node does what an orderly one does not; parts of one."""

    answers_twice_at_once: float = 0.03
    """Two runs of one result end at the same time, with different outcomes."""
    answers_late: float = 0.03
    """A run that was thought dead ends after another one did."""
    longest_run: float = 0.2
    """Seconds."""


@dataclass
class SimulatedNode:
    """One node. Those with even ids behave as 3.11 ones, the others as 3.4 ones, which send no status."""

    id: int
    url: str
    caller: Caller
    history: History
    chance: random.Random
    habits: Habits = Habits()
    queued: dict[int, int] = field(default_factory=dict[int, int])
    """All results that it was ever given, with their tasks."""
    tasks: set[int] = field(default_factory=set[int])
    """The tasks that they are of."""
    done: set[int] = field(default_factory=set[int])
    """Those whose end was answered."""
    errors: list[BaseException] = field(default_factory=list[BaseException])
    """What went wrong in the node itself: none, if all goes well."""
    _queue: "asyncio.Queue[tuple[int, int]]" = field(default_factory=lambda: asyncio.Queue())
    _wanted: set[int] = field(default_factory=set[int])
    _wants_all: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _jobs: set["asyncio.Task[None]"] = field(default_factory=set["asyncio.Task[None]"])
    _socket: Any = None
    _stopped: bool = False

    @property
    def is_new(self) -> bool:
        """It behaves as a 3.11 node."""
        return self.id % 2 == 0

    async def start(self) -> None:
        """Sign in, connect, and work from now on."""
        await self.caller.renew("")
        await self._connect()
        for _ in range(WORKERS):
            self._begin(self._work())
        self._begin(self._fetch())
        self._begin(self._ping())

    async def stop(self) -> None:
        """Hang up and forget all work."""
        self._stopped = True
        for job in list(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._socket.disconnect(), 5)

    # The socket

    async def _connect(self) -> None:
        """A new client, as a node makes one at its start and after its token has expired."""
        client: Any = socketio.AsyncClient(reconnection=True)
        client.on("connect", self._connected, namespace=NAMESPACE)
        client.on("disconnect", self._disconnected, namespace=NAMESPACE)
        client.on("new_task", self._new_task, namespace=NAMESPACE)
        client.on("task_created", self._task_created, namespace=NAMESPACE)
        client.on("kill_containers", self._kill_containers, namespace=NAMESPACE)
        client.on("expired_token", self._expired_token, namespace=NAMESPACE)
        self._socket = client
        while not self._stopped:
            headers = {"Authorization": f"Bearer {self.caller.access}"}
            try:
                await client.connect(self.url, headers=headers, namespaces=[NAMESPACE], wait_timeout=10)
                return
            except (NotConnected, TimeoutError):
                with contextlib.suppress(Exception):
                    await client.disconnect()
                self._retried("no connection")
                await asyncio.sleep(self.chance.uniform(0.5, 1.5))

    async def _connected(self) -> None:
        self.history.add(Opened(self.history.now, self.id))
        self._wants_all = True
        self._news.set()

    async def _disconnected(self, *_: Any) -> None:
        self.history.add(Closed(self.history.now, self.id))

    async def _expired_token(self, *_: Any) -> None:
        # Both shapes of the event arrive; one renewal serves them.
        used = self.caller.access
        self._begin(self._come_again(self._socket, used))

    async def _come_again(self, client: Any, used: str) -> None:
        if client is not self._socket:
            return
        self._socket = None
        self._retried("expired_token")
        with contextlib.suppress(Exception):
            await client.disconnect()
        await self.caller.renew(used)
        await self._connect()

    async def _task_created(self, told: dict[str, Any]) -> None:
        self.history.add(Heard(self.history.now, self.id, "task_created", told["task_id"]))

    async def _new_task(self, task: int) -> None:
        self.history.add(Heard(self.history.now, self.id, "new_task", task))
        self._wanted.add(task)
        self._news.set()

    async def _kill_containers(self, told: dict[str, Any]) -> None:
        if not self.is_new:
            return
        for entry in told.get("kill_list", []):
            if self.queued.get(entry["result_id"]) == entry["task_id"] and entry["result_id"] not in self.done:
                self._begin(self._confirm_kill(entry["task_id"], entry["result_id"]))

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(_PING_SECONDS * self.chance.uniform(0.5, 1.5))
            with contextlib.suppress(Exception):
                await self._socket.emit("ping", namespace=NAMESPACE)

    # What is to be done

    async def _fetch(self) -> None:
        """One look after another: what is told again while one waits for its answer makes no further call."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._wants_all:
                self._wants_all = False
                self._wanted.clear()
                self._take(await self._open_results(), "sync")
            while self._wanted:
                task = self._wanted.pop()
                self._take(await self._open_results(task_id=task), "event")

    async def _open_results(self, **more: Any) -> list[dict[str, Any]]:
        query = {"state": "open", "include": "task", "node_id": self.id, **more}
        answer = await self.caller.until_answered("GET", "/result", params=query)
        answer.raise_for_status()
        return answer.json()

    def _take(self, results: list[dict[str, Any]], way: Literal["event", "sync"]) -> None:
        for result in results:
            task, identity = result["task"]["id"], result["id"]
            self.history.add(Delivered(self.history.now, self.id, task, identity, way))
            if identity not in self.queued:
                self.queued[identity] = task
                self.tasks.add(task)
                self._queue.put_nowait((task, identity))

    async def _work(self) -> None:
        while True:
            task, result = await self._queue.get()
            await self._run(task, result)

    async def _run(self, task: int, result: int) -> None:
        began = datetime.now(UTC).isoformat()
        await self._tell(task, result, {"started_at": began})
        if self.is_new:
            await self._tell(task, result, {"status": "active"})
        await asyncio.sleep(self.chance.uniform(0, self.habits.longest_run))
        first, second = self._end(result), self._end(result)
        draw = self.chance.random()
        if draw < self.habits.answers_twice_at_once:
            await asyncio.gather(self._tell(task, result, first), self._tell(task, result, second))
        else:
            await self._tell(task, result, first)
        self.done.add(result)
        if draw > 1 - self.habits.answers_late:
            await self._tell(task, result, second)

    def _end(self, result: int) -> dict[str, Any]:
        fails = self.chance.random() < 0.2
        end = {"result": f"result {result} {self.chance.getrandbits(48):x}", "log": "ran"}
        return end | {"finished_at": datetime.now(UTC).isoformat()} | self._status_of_end(fails)

    def _status_of_end(self, fails: bool) -> dict[str, str]:
        if not self.is_new:
            return {}
        return {"status": "failed" if fails else "completed"}

    async def _confirm_kill(self, task: int, result: int) -> None:
        await self._tell(task, result, {"status": "killed by user"})

    async def _tell(self, task: int, result: int, told: dict[str, Any]) -> None:
        is_end = "finished_at" in told or told.get("status") == "killed by user"
        outcome = outcome_of(told.get("status") or "completed", told.get("result")) if is_end else ""
        step = "end" if is_end else "start"

        def noted(began: float, answer: Answer) -> None:
            status = None if answer is None else answer.status_code
            self.history.add(Told(self.history.now, began, self.id, task, result, step, status, outcome))

        await self.caller.until_answered("PATCH", f"/result/{result}", noted, json=told)

    def _retried(self, why: str) -> None:
        self.history.add(Retried(self.history.now, "sockets", why))

    def _begin(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._over)

    def _over(self, job: "asyncio.Task[None]") -> None:
        self._jobs.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            self.errors.append(error)


def outcome_of(status: str, result: str | None) -> str:
    """How a result ended, in one text."""
    return f"{status}: {result or ''}"
