"""A whole stack without Docker: the real services, started and stopped by the real command, as root and as a user."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.accounts import throw_away_account
from support.local import Home, accounts_below, modes_above, new_home, processes_below, wait_for, words_below
from support.processes import as_account, free_port

EXAMPLE = Path(__file__).parents[1] / "vserver" / "config" / "data" / "example-config.yaml"
ALL = {"postgres", "redis", "migrate", "auth", "entity", "dispatch", "worker", "beat", "gateway"}
KILLABLE = sorted(ALL - {"migrate"})
NEVER_READY = """
from vserver.main import main
from vserver.stack.local import checks

answer = checks.problem
checks.problem = lambda watched, place: "not yet" if watched.name == "gateway" else answer(watched, place)
main()
"""
"""The command, for which the gateway is never ready: a start that is to be interrupted must not end before that."""


@pytest.fixture(params=["user", pytest.param("root", marks=pytest.mark.root)])
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    """The home of an ordinary user, and one that root uses."""
    if request.param == "root":
        if os.geteuid() != 0:
            pytest.skip("needs to be run as root")
        with new_home() as made:
            yield made
    else:
        with throw_away_account() as account, new_home(account) as made:
            yield made


@dataclass
class Running:
    """A stack with its own Postgres, of an ordinary user: where it makes no difference whose it is."""

    home: Home
    name: str
    started: dict[str, Any]

    @property
    def address(self) -> str:
        return str(self.started["address"])


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One stack for all tests that leave it running, even if they put it out for a while."""
    with throw_away_account() as account, new_home(account) as home:
        name = new_instance(home)
        yield Running(home, name, start(home, name))


@pytest.fixture(scope="module")
def example(running: Running) -> dict[str, Any]:
    """The manual's example, started beside the other."""
    folder = running.home.folder / "config" / "dataquality" / "server"
    (folder / "example.yaml").write_text(EXAMPLE.read_text())
    running.home.give()
    return start(running.home, "example", "-p", str(free_port()), "--ip", "127.0.0.1")


def ok(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def new_instance(home: Home, keys: str = "description: one") -> str:
    return home.configure(f"ip: 127.0.0.1\nport: {free_port()}\n{keys}")


def start(home: Home, name: str, *options: str) -> dict[str, Any]:
    done = home.vserver("start", "-n", name, "--user", "--driver", "local", "--json", *options)
    return json.loads(ok(done))["data"]


def status(home: Home, name: str) -> tuple[int, dict[str, Any]]:
    done = home.vserver("status", "-n", name, "--user", "--json")
    return done.returncode, json.loads(done.stdout)["data"]


def wait_until_running(running: Running) -> None:
    """Also where a part did not answer at once, as on a starved machine."""
    wait_for(lambda: status(running.home, running.name)[1]["state"] == "running", 120, pause=1)


def running_vserver(home: Home, *arguments: str, program: Sequence[str] = ("-m", "vserver")) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        env=home.variables, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **as_account(home.account),
    )  # fmt: skip


def stop(home: Home, name: str) -> None:
    ok(home.vserver("stop", "-n", name, "--user"))


def pids(state: dict[str, Any]) -> dict[str, int]:
    return {part["name"]: part["pid"] for part in state["components"]}


def nothing_left(home: Home) -> bool:
    sockets_and_locks = [path for path in home.folder.rglob("*") if path.is_socket() or path.name == "lock"]
    return not processes_below(home.folder) and not sockets_and_locks


def secrets_of(home: Home) -> list[str]:
    return [path.read_text() for path in home.folder.rglob("dev/secrets/*") if not path.name.startswith(".")]


def open_to_others(path: Path, top: Path) -> bool:
    inner = [folder for folder in path.parents if folder.is_relative_to(top)]
    return bool(path.stat().st_mode & stat.S_IROTH) and all(folder.stat().st_mode & stat.S_IXOTH for folder in inner)


def test_a_stack_starts_answers_shows_no_secret_and_stops_without_a_trace(home: Home) -> None:
    before = modes_above(home.folder)
    name = new_instance(home)
    started = start(home, name)
    assert started["state"] == "running"
    assert {part["name"] for part in started["components"]} == ALL
    with httpx.Client(timeout=60) as http:
        assert http.get(f"{started['address']}/version").json()["version"]
        assert http.get(f"{started['address']}/health").json() == {"database": True}
        assert http.get(f"{started['address']}/organization").status_code == 401
        reply = http.post(f"{started['address']}/token/user", json={"username": "root", "password": "root"})
        assert reply.status_code == 200, reply.text
    wait_for(lambda: "Running" in ok(home.vserver("list")))

    values = secrets_of(home)
    assert len(values) >= 6
    seen = words_below(home.folder)
    assert seen
    assert not [value for value in values if any(value in word for word in seen)]
    for log in (*home.folder.rglob("*.log"), *home.folder.rglob("*.sh"), *home.folder.rglob("*.conf")):
        if log.parent.parent.name != "secrets":
            assert not [value for value in values if value in log.read_text(errors="replace")], log
    for path in home.folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # some files of a database come and go
            content = path.read_bytes() if path.is_file() and open_to_others(path, home.folder) else b""
            assert not [value for value in values if value.encode() in content], path
    assert 0 not in accounts_below(home.folder)

    stop(home, name)
    assert nothing_left(home)
    assert modes_above(home.folder) == before
    assert status(home, name)[0] == 1


def test_a_start_that_is_interrupted_leaves_nothing() -> None:
    with throw_away_account() as account, new_home(account) as home:
        words = ["start", "-n", new_instance(home), "--user", "--driver", "local"]
        process = running_vserver(home, *words, program=("-c", NEVER_READY))
        assert process.stderr is not None
        for line in process.stderr:
            if "migrate is done" in line:
                process.terminate()
                break
        assert process.wait(60) == 130
        wait_for(lambda: nothing_left(home))


def test_a_second_start_tells_that_it_runs_and_one_at_its_address_who_holds_it(running: Running) -> None:
    again = start(running.home, running.name)
    assert again["was_running"]
    assert pids(again) == pids(running.started)
    port, other = str(httpx.URL(running.address).port), new_instance(running.home)
    taken = running.home.vserver("start", "-n", other, "--user", "--driver", "local", "-p", port)
    assert taken.returncode == 1
    assert "is held by process" in taken.stderr
    assert "hint: " in taken.stderr


def test_an_attached_start_shows_the_logs_and_detaching_leaves_the_server_running(running: Running) -> None:
    before = pids(status(running.home, running.name)[1])
    process = running_vserver(running.home, "start", "-n", running.name, "--user", "--attach")
    assert process.stdout is not None
    log = next(running.home.folder.rglob("*-entity.log"))
    for _ in process.stdout:
        break  # the answer, after which the logs follow
    with log.open("a") as file:
        file.write("a line for whoever looks\n")
    assert any("entity" in line and "a line for whoever looks" in line for line in process.stdout)
    process.terminate()
    assert process.wait(60) == 0
    wait_until_running(running)
    assert pids(status(running.home, running.name)[1]) == before


def test_the_gateway_waits_for_a_service_that_comes_back(running: Running) -> None:
    wait_until_running(running)
    os.kill(pids(status(running.home, running.name)[1])["entity"], signal.SIGKILL)
    answers: list[int] = []
    deadline = time.monotonic() + 120
    while 401 not in answers[-1:] and time.monotonic() < deadline:
        answers.append(httpx.get(f"{running.address}/organization", timeout=60).status_code)
    assert answers[-1] == 401
    assert set(answers) <= {401, 502, 503}
    wait_until_running(running)


def test_each_component_that_is_killed_comes_back_and_a_killed_supervisor_is_put_right(running: Running) -> None:
    home, name = running.home, running.name
    wait_until_running(running)
    before = pids(status(home, name)[1])
    for component in KILLABLE:
        os.kill(before[component], signal.SIGKILL)
    wait_until_running(running)
    after = pids(status(home, name)[1])
    assert all(after[component] != before[component] for component in KILLABLE)

    (keeper,) = processes_below(home.folder, "supervisor.supervisord")
    keeper.kill()
    wait_for(lambda: status(home, name)[1]["state"] == "orphaned", 60, pause=1)
    code, orphaned = status(home, name)
    assert code == 1
    assert {part["name"] for part in orphaned["components"]} == ALL - {"migrate"}
    assert "vserver start" in orphaned["remedy"]
    again = start(home, name)
    assert again["state"] == "running"
    assert all(pids(again)[component] != after[component] for component in KILLABLE)


def test_the_manuals_example_starts_as_it_stands(running: Running, example: dict[str, Any]) -> None:
    assert example["environment"] == "test"
    assert "postgres" not in pids(example)
    assert list(running.home.folder.rglob("example/test/test.sqlite"))
    assert list(running.home.folder.rglob("test.log"))


def test_instances_beside_each_other_answer_each_by_itself_until_stop_all(
    running: Running, example: dict[str, Any]
) -> None:
    assert running.address != example["address"]
    for address in (running.address, example["address"]):
        assert httpx.get(f"{address}/health", timeout=60).json() == {"database": True}
    ok(running.home.vserver("stop", "--all", "--user"))
    assert nothing_left(running.home)
