"""A whole stack without Docker: the real services, started and stopped by the real command, as root and as a user."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from support.accounts import throw_away_account
from support.local import Home, modes_above, new_home, processes_below, wait_for
from support.processes import free_port

EXAMPLE = Path(__file__).parents[1] / "vserver" / "config" / "data" / "example-config.yaml"
ALL = {"postgres", "redis", "migrate", "auth", "entity", "dispatch", "worker", "beat", "gateway"}
KILLABLE = sorted(ALL - {"migrate"})


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


@pytest.fixture
def user_home() -> Iterator[Home]:
    """The home of an ordinary user, where it makes no difference whose it is."""
    with throw_away_account() as account, new_home(account) as made:
        yield made


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


def running_vserver(home: Home, *arguments: str) -> "subprocess.Popen[str]":
    who = home.account
    identity = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}
    return subprocess.Popen(
        [sys.executable, "-m", "vserver", *arguments],
        env=home.variables, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **identity,
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


def test_a_stack_starts_answers_shows_no_secret_and_stops_without_a_trace(home: Home) -> None:
    before = modes_above(home.folder)
    name = new_instance(home)
    started = start(home, name)
    assert started["state"] == "running"
    assert {part["name"] for part in started["components"]} == ALL
    assert httpx.get(f"{started['address']}/version").json()["version"]
    assert httpx.get(f"{started['address']}/health").json() == {"database": True}
    assert httpx.get(f"{started['address']}/organization").status_code == 401
    reply = httpx.post(f"{started['address']}/token/user", json={"username": "root", "password": "root"})
    assert reply.status_code == 200, reply.text
    assert "Running" in ok(home.vserver("list"))

    values = secrets_of(home)
    assert len(values) >= 6
    seen = [
        word for process in processes_below(home.folder) for word in (*process.cmdline(), *process.environ().values())
    ]
    assert not [value for value in values if any(value in word for word in seen)]
    for log in (*home.folder.rglob("*.log"), *home.folder.rglob("*.sh"), *home.folder.rglob("*.conf")):
        if log.parent.parent.name != "secrets":
            assert not [value for value in values if value in log.read_text(errors="replace")], log
    assert not any(process.uids().effective == 0 for process in processes_below(home.folder))

    stop(home, name)
    assert nothing_left(home)
    assert modes_above(home.folder) == before
    assert status(home, name)[0] == 1


def test_each_component_that_is_killed_comes_back_and_a_killed_supervisor_is_put_right(home: Home) -> None:
    name = new_instance(home)
    before = pids(start(home, name))
    for component in KILLABLE:
        os.kill(before[component], signal.SIGKILL)
    wait_for(lambda: status(home, name)[1]["state"] == "running", 60)
    after = pids(status(home, name)[1])
    assert all(after[component] != before[component] for component in KILLABLE)

    (keeper,) = [process for process in processes_below(home.folder) if "supervisor.supervisord" in process.cmdline()]
    keeper.kill()
    wait_for(lambda: status(home, name)[1]["state"] == "orphaned")
    code, orphaned = status(home, name)
    assert code == 1
    assert "vserver start" in orphaned["remedy"]
    assert start(home, name)["state"] == "running"
    stop(home, name)
    assert nothing_left(home)


def test_a_second_start_tells_that_it_runs_and_an_instance_beside_it_has_its_own_address(user_home: Home) -> None:
    first, second = new_instance(user_home), new_instance(user_home, "uri: sqlite:///mine.sqlite")
    one, two = start(user_home, first), start(user_home, second)
    assert one["address"] != two["address"]
    again = start(user_home, first)
    assert again["was_running"]
    assert pids(again) == pids(one)
    port = str(httpx.URL(one["address"]).port)
    taken = user_home.vserver("start", "-n", new_instance(user_home), "--user", "--driver", "local", "-p", port)
    assert taken.returncode == 1
    assert "is held by process" in taken.stderr
    assert "hint: " in taken.stderr
    ok(user_home.vserver("stop", "--all", "--user"))
    assert nothing_left(user_home)


def test_the_manuals_example_starts_as_it_stands(user_home: Home) -> None:
    folder = user_home.folder / "config" / "dataquality" / "server"
    folder.mkdir(parents=True)
    (folder / "example.yaml").write_text(EXAMPLE.read_text())
    user_home.give()
    started = start(user_home, "example", "-p", str(free_port()), "--ip", "127.0.0.1")
    assert started["environment"] == "test"
    assert "postgres" not in pids(started)
    assert list(user_home.folder.rglob("example/test/test.sqlite"))
    assert list(user_home.folder.rglob("test.log"))
    stop(user_home, "example")
    assert nothing_left(user_home)


def test_a_start_that_is_interrupted_leaves_nothing(home: Home) -> None:
    name = new_instance(home)
    process = running_vserver(home, "start", "-n", name, "--user", "--driver", "local")
    assert process.stderr is not None
    for line in process.stderr:
        if "migrate is done" in line:
            process.terminate()
            break
    assert process.wait(60) == 130
    wait_for(lambda: nothing_left(home))


def test_an_attached_start_shows_the_logs_and_detaching_leaves_the_server_running(user_home: Home) -> None:
    name = new_instance(user_home, "uri: sqlite:///server.sqlite")
    start(user_home, name)
    process = running_vserver(user_home, "start", "-n", name, "--user", "--attach")
    assert process.stdout is not None
    log = next(user_home.folder.rglob("*-entity.log"))
    for _ in process.stdout:
        break  # the answer, after which the logs follow
    with log.open("a") as file:
        file.write("a line for whoever looks\n")
    assert any("entity" in line and "a line for whoever looks" in line for line in process.stdout)
    process.terminate()
    assert process.wait(60) == 0
    assert status(user_home, name)[1]["state"] == "running"
    stop(user_home, name)


def test_the_gateway_waits_for_a_service_that_comes_back(user_home: Home) -> None:
    name = new_instance(user_home, "uri: sqlite:///server.sqlite")
    started = start(user_home, name)
    psutil.Process(pids(started)["entity"]).kill()
    answers: list[int] = []
    deadline = time.monotonic() + 60
    while 401 not in answers[-1:] and time.monotonic() < deadline:
        answers.append(httpx.get(f"{started['address']}/organization", timeout=20).status_code)
    assert answers[-1] == 401
    assert set(answers) <= {401, 502, 503}
    stop(user_home, name)
