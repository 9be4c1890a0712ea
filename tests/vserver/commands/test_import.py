"""`vserver import`: with a real stack of the local driver, and what is said without one."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.accounts import throw_away_account
from support.importing import FIRST_KEY, GOOD
from support.local import Home, new_home
from support.processes import free_port

MORE = "organizations:\n- name: Big\n  users:\n  - {username: ben, password: password}\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """The home of an ordinary user."""
    with throw_away_account() as account, new_home(account) as made:
        yield made


@pytest.fixture(scope="module")
def instance(home: Home) -> Iterator[str]:
    """A running instance, by its name."""
    name = home.configure(f"description: x\nip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///x.sqlite")
    started = home.vserver("start", "-n", name, "--user", "--driver", "local")
    assert started.returncode == 0, started.stderr
    yield name
    home.vserver("stop", "-n", name, "--user")


def write(home: Home, text: str, name: str = "file.yaml") -> Path:
    path = home.folder / name
    path.write_text(text)
    return path


def run(home: Home, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return home.vserver("import", *map(str, arguments))


def test_a_file_is_imported_with_progress_a_summary_and_the_next_step(home: Home, instance: str) -> None:
    done = run(home, write(home, GOOD), "-n", instance, "--user")
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    assert ["users", "2", "0", "0"] in words
    assert ["tasks", "2", "0", "0"] in words
    assert f"vserver status --name {instance} -e dev --user" in done.stdout
    assert "users 2/2" in done.stderr
    assert "password:" not in done.stdout + done.stderr
    assert FIRST_KEY not in done.stdout + done.stderr


def test_an_imported_user_can_sign_in(home: Home, instance: str) -> None:
    assert run(home, write(home, MORE), "-n", instance, "--user").returncode == 0
    status = json.loads(home.vserver("status", "-n", instance, "--user", "--json").stdout)["data"]
    body = {"username": "ben", "password": "password"}
    answer = httpx.post(f"{status['address']}/token/user", json=body, trust_env=False)
    assert answer.status_code == 200


def test_json_says_how_much_is_new(home: Home, instance: str) -> None:
    path = write(home, MORE.replace("Big", "Json").replace("ben", "json"))
    envelope = json.loads(run(home, path, "-n", instance, "--user", "--json").stdout)
    assert (envelope["ok"], envelope["command"]) == (True, "import")
    assert envelope["data"]["file"] == str(path)
    assert envelope["data"]["imported"]["users"] == {"created": 1, "changed": 0, "unchanged": 0}


def test_what_is_wrong_is_said_with_its_lines_and_exit_code_4(home: Home, instance: str) -> None:
    path = write(home, "organizations:\n- domain: x\n- name: A\n  xyz: 1\n")
    done = run(home, path, "-n", instance, "--user")
    assert (done.returncode, done.stdout) == (4, "")
    assert f"{path}:2: organizations[0].name: this is missing. Give the organization a name" in done.stderr
    assert f"{path}:4: organizations[1].xyz: this key is not known" in done.stderr
    assert "nothing was changed" in done.stderr


def test_what_is_wrong_is_in_the_json_too(home: Home, instance: str) -> None:
    path = write(home, "organizations: x\n")
    done = run(home, path, "-n", instance, "--user", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_code"]) == (4, 4)
    assert f"{path}:1: organizations: a text stands here" in error["message"]


def test_drop_all_is_refused_where_the_configuration_does_not_allow_it(home: Home, instance: str) -> None:
    done = run(home, write(home, GOOD), "-n", instance, "--user", "--drop-all")
    assert done.returncode == 4
    assert "allow_drop_all: true" in done.stderr


def test_an_instance_that_was_never_started_must_be_started_first(home: Home) -> None:
    name = home.configure(f"description: x\nip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///x.sqlite")
    done = run(home, write(home, GOOD), "-n", name, "--user")
    assert done.returncode == 1
    assert f"Start it first: `vserver start --name {name} -e dev --user`." in done.stderr


def test_a_file_that_cannot_be_read_is_said_before_anything_else(home: Home) -> None:
    closed = write(home, GOOD, "closed.yaml")
    closed.chmod(0)
    cases = {"missing.yaml": "there is no such file", ".": "this is a folder", "closed.yaml": "cannot be read"}
    for name, said in cases.items():
        done = run(home, home.folder / name)
        assert done.returncode == 4
        assert said in done.stderr


@pytest.mark.parametrize("option", [["--image", "x"], ["-i", "x"], ["--mount-src", "/"], ["--keep"], ["--auto-remove"]])
def test_options_of_the_older_server_say_what_to_do_instead(home: Home, option: list[str]) -> None:
    done = run(home, write(home, GOOD), *option)
    assert done.returncode == 4
    assert "means nothing here" in done.stderr
    assert "hint: " in done.stderr
