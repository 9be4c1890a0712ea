"""An honest user beside an attack: a process of its own that signs in and posts a small task, again and again.

    with honest_user_beside(stack) as rounds:
        ...  # the attack

fails after the block where a sign-in or a task took longer than `LIMIT`, was refused, or a component was restarted.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from support.abuse.precedence import give_precedence
from support.abuse.stack import PASSWORD, AttackedStack, Study

LIMIT = 2.0
"""Seconds that a sign-in, and a small task, may take beside any attack."""
_TICK = 0.05


class HonestUserLate(AssertionError):
    """A sign-in or a task took longer than the limit."""


@dataclass(frozen=True)
class Round:
    """One sign-in and one task, in seconds. `paused`: for how long the machine did not run this process at all."""

    sign_in: float
    task: float
    paused: float

    @property
    def is_in_time(self) -> bool:
        """Whether both stayed within the limit, less the time in which the honest user itself was not run."""
        return max(self.sign_in, self.task) - self.paused < LIMIT


@contextmanager
def honest_user_beside(stack: AttackedStack, study: Study | None = None) -> Generator[None]:
    """Run the honest user for the length of the block, and a round longer. Raises AssertionError, see the module."""
    study, before = study or stack.study, stack.pids()
    give_precedence(_with_children(before.values()))
    with honest_rounds(stack.address, study) as rounds:
        yield
    assert_in_time(rounds)
    after = stack.pids()
    restarted = sorted(name for name, pid in after.items() if before.get(name) != pid)
    assert not restarted, f"components were restarted: {restarted}"


@contextmanager
def honest_rounds(address: str, study: Study) -> Generator[list[Round]]:
    """The same against any server; the rounds are in the list once the block has ended."""
    words = [sys.executable, "-m", "support.abuse.honest", address, study.username, json.dumps(study.task())]
    tests = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": tests},
        start_new_session=True,
    )
    give_precedence([process.pid])
    assert process.stdin is not None
    assert process.stdout is not None
    rounds: list[Round] = []
    first = process.stdout.readline()
    try:
        yield rounds
        time.sleep(LIMIT)  # at least one round begins while the attack is at work
    finally:
        process.stdin.close()
        rest = process.stdout.read()
        process.wait()
    rounds += [Round(**json.loads(line)) for line in (first + rest).splitlines()]
    assert process.returncode == 0, "the honest user was refused"


def _with_children(pids: Iterable[int]) -> Iterator[int]:
    for pid in filter(None, pids):
        yield pid
        yield from (child.pid for child in psutil.Process(pid).children(recursive=True))


def assert_in_time(rounds: list[Round]) -> None:
    """Fail where a round took too long, or where there were hardly any."""
    assert len(rounds) >= 2, f"only these rounds: {rounds}"
    if late := [one for one in rounds if not one.is_in_time]:
        raise HonestUserLate(f"over {LIMIT} s: {late}")


class _Pauses:
    """How long this process was not run: a thread that sleeps notices when it wakes up late."""

    def __init__(self) -> None:
        self.seconds = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            started = time.monotonic()
            time.sleep(_TICK)
            late = time.monotonic() - started - _TICK
            self.seconds += late if late > _TICK else 0.0


def _timed(
    http: httpx.Client, path: str, body: dict[str, Any], token: str | None = None
) -> tuple[float, httpx.Response]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    started = time.monotonic()
    answer = http.post(path, json=body, headers=headers)
    if answer.status_code not in (200, 201):
        raise SystemExit(f"the honest user was refused at {path}: {answer.status_code} {answer.text}")
    return time.monotonic() - started, answer


def _work(address: str, username: str, task: dict[str, Any]) -> None:
    """Rounds until standard input ends."""
    ended, pauses = threading.Event(), _Pauses()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=address, timeout=60, trust_env=False, limits=limits) as http:
        while not ended.is_set():
            before = pauses.seconds
            sign_in, answer = _timed(http, "/token/user", {"username": username, "password": PASSWORD})
            posted, _ = _timed(http, "/task", task, answer.json()["access_token"])
            print(json.dumps({"sign_in": sign_in, "task": posted, "paused": pauses.seconds - before}), flush=True)
            ended.wait(0.3)


if __name__ == "__main__":
    _work(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
