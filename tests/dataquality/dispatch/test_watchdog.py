"""A part that lives and does nothing ends, so that its keeper starts it anew; one that can't work does not."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from dataquality.core.watchdog import Watchdog
from support.databases import SqliteFiles
from support.services import Services, running_services
from support.valkey import ValkeyServer
from support.waiting import eventually

QUICKLY = """
import sys
from dataquality.dispatch import silence
silence.SILENCE_SECONDS, silence._TICK, silence._OWN_CANARY_SECONDS = {silence}, 0.5, 1.0
from importlib import import_module
module = import_module("dataquality.dispatch." + {part!r})
sys.exit(module.main() if hasattr(module, "main") else module.serve(module.make_app))
"""


SILENCE = 9.0
"""More than what works says in its idlest moments (an instance asks Redis after five seconds of quiet), and than a part
of it may be starved on a machine that does much else."""


class Quick(Services):
    """Whose worker and beat are given seconds in place of minutes."""

    def start(self, name: str) -> None:
        environment = self.environment | {"DATAQUALITY_COMPONENT": name, "DATAQUALITY_WORKERS": "2"}
        environment["DATAQUALITY_PORT"] = self.addresses[name].rpartition(":")[2]
        with (self.folder / f"{name}.log").open("ab") as log:
            part = "__main__" if name == "dispatch" else name
            command = [sys.executable, "-c", QUICKLY.format(part=part, silence=SILENCE)]
            self.processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def services(
    sqlite_files: SqliteFiles, tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[Quick]:
    """In which nothing runs yet but Valkey."""
    with (
        sqlite_files.migrated_database() as url,
        running_services(tmp_path_factory.mktemp("services"), url, valkey.url, parts=()) as made,
    ):
        quick = Quick(made.folder, made.database_url, made.redis_url, made.addresses, made.environment)
        yield quick
        quick.stop()


def pool_of(services: Services) -> list[psutil.Process]:
    return psutil.Process(services.processes["worker"].pid).children()


def ended(services: Services, part: str) -> int:
    return services.processes[part].wait(60)


def test_a_worker_whose_pool_hangs_ends_with_all_of_it(services: Quick) -> None:
    services.start("worker")
    services.wait_ready("worker")
    pool = pool_of(services)
    assert len(pool) == 2
    for process in pool:
        process.send_signal(signal.SIGSTOP)
    assert ended(services, "worker") == 70
    assert "no longer works" in services.log("worker")
    eventually(lambda: not any(process.is_running() for process in pool))


def test_a_worker_is_not_blamed_for_a_redis_that_is_away(services: Quick, valkey: ValkeyServer) -> None:
    services.start("worker")
    services.wait_ready("worker")
    with valkey.stopped():
        # Twice what it takes to be ended for silence: a look at a Redis that is away takes a while as well.
        time.sleep(2 * SILENCE)
        assert services.processes["worker"].poll() is None
    # It comes back with nothing in it, and no beat is there; jobs are run.
    time.sleep(SILENCE + 1)
    services.wait_ready("worker")


def test_a_worker_that_was_frozen_as_a_whole_goes_on(services: Quick) -> None:
    services.start("worker")
    services.wait_ready("worker")
    group = services.processes["worker"].pid
    os.killpg(group, signal.SIGSTOP)
    time.sleep(SILENCE + 1)
    os.killpg(group, signal.SIGCONT)
    time.sleep(3)
    services.wait_ready("worker")


def test_a_beat_that_sends_nothing_ends(services: Quick, valkey: ValkeyServer) -> None:
    services.start("beat")
    services.wait_ready("beat")
    # Its queue is something else by now: nothing can be sent, though Redis answers.
    with valkey.client() as redis:
        redis.delete("dataquality")
        redis.set("dataquality", "spoilt")
    assert ended(services, "beat") == 70
    with valkey.client() as redis:
        redis.delete("dataquality")
    services.start("beat")
    services.wait_ready("beat")


def test_an_instance_that_hears_no_events_says_so_and_ends(services: Quick, valkey: ValkeyServer) -> None:
    services.start("dispatch")
    services.wait_ready("dispatch")
    with valkey.client() as redis:
        # Redis answers as before, but lets nobody subscribe any more.
        redis.execute_command("ACL", "SETUSER", "default", "resetchannels")
        redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        ready = f"{services.addresses['dispatch']}/internal/ready"
        eventually(lambda: "events" in httpx.get(ready, timeout=60, trust_env=False).json()["failed"])
        assert ended(services, "dispatch") == 70
        redis.execute_command("ACL", "SETUSER", "default", "allchannels")
    services.start("dispatch")
    services.wait_ready("dispatch")


def test_a_service_whose_event_loop_stands_still_ends(tmp_path: Path) -> None:
    script = """
        import asyncio, time
        from dataquality.core.watchdog import loop_watched
        async def main():
            with loop_watched(4):
                await asyncio.sleep(6)
                print("was let live", flush=True)
                time.sleep(60)
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout.splitlines()[0]) == (70, "was let live")
    assert "time.sleep" in done.stderr or "main" in done.stderr  # where it stood


def test_no_time_is_counted_while_silence_is_excused() -> None:
    excuses = iter([True] * 20)
    ends: list[float] = []
    began = time.monotonic()
    dog = Watchdog(
        "it", lambda: 0, 0.1, lambda: next(excuses, False), lambda: ends.append(time.monotonic() - began), 0.01
    )
    dog.start()
    eventually(lambda: ends)
    assert ends[0] >= 0.3


def test_one_that_is_told_to_stop_watching_ends_nothing() -> None:
    ends: list[int] = []
    # It is told long before its time: this thread may get no turn for a while.
    Watchdog("one that is told", lambda: 0, 60, end=lambda: ends.append(1), tick=0.05).start().set()
    eventually(lambda: "watchdog of one that is told" not in {thread.name for thread in threading.enumerate()})
    assert ends == []
