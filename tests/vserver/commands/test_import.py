"""`vserver import`: with a real stack of the local driver, and what is said without one."""

import json
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from support.accounts import throw_away_account
from support.importing import FIRST_KEY, GOOD, SECOND_KEY
from support.local import Home, new_home, wait_for
from support.processes import free_port
from support.sockets import new_blocking_client
from support.terminal import at_terminal

LIVE_KEY = "123e4567-e89b-12d3-a456-426614174099"
MORE = "organizations:\n- name: Big\n  users:\n  - {username: ben, password: password}\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """The home of an ordinary user."""
    with throw_away_account() as account, new_home(account) as made:
        yield made


@pytest.fixture(scope="module")
def instance(home: Home) -> Iterator[str]:
    """A running instance, by its name."""
    name = home.configure(
        f"description: x\nip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///x.sqlite\nallow_drop_all: true"
    )
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


def never_started(home: Home) -> str:
    """A configuration, by its name."""
    return home.configure(f"description: x\nip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///x.sqlite")


def test_drop_all_is_refused_where_the_configuration_does_not_allow_it(home: Home) -> None:
    done = run(home, write(home, GOOD), "-n", never_started(home), "--user", "--drop-all")
    assert done.returncode == 4
    assert "allow_drop_all: true" in done.stderr


def test_an_instance_that_was_never_started_must_be_started_first(home: Home) -> None:
    name = never_started(home)
    for driver in ([], ["--driver", "local"]):
        done = run(home, write(home, GOOD), "-n", name, "--user", *driver)
        assert done.returncode == 1
        assert f"Start it first: `vserver start --name {name} -e dev --user`." in done.stderr


def exported(home: Home, instance: str) -> str:
    """All that the instance holds."""
    done = home.vserver("export", "-n", instance, "--user")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dry_run_shows_a_plan_and_changes_nothing(home: Home, instance: str) -> None:
    before = exported(home, instance)
    path = write(home, MORE.replace("Big", "Planned").replace("ben", "planned"))
    done = run(home, path, "-n", instance, "--user", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Nothing was changed. This is what importing")
    assert ["users", "1", "0", "0"] in [line.split() for line in done.stdout.splitlines()]
    assert "  new organizations: Planned\n" in done.stdout
    data = json.loads(run(home, path, "-n", instance, "--user", "--dry-run", "--json").stdout)["data"]
    assert data["plan"]["users"] == {"created": ["planned"], "changed": [], "unchanged": []}
    assert data["dry_run"] is True
    assert exported(home, instance) == before


def test_the_same_file_twice_changes_nothing_and_says_so(home: Home, instance: str) -> None:
    path = write(home, MORE.replace("Big", "Twice").replace("ben", "twice"))
    assert run(home, path, "-n", instance, "--user").returncode == 0
    done = run(home, path, "-n", instance, "--user")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Nothing was changed: all that stands in {path} is in ")


def test_a_relative_path_is_taken(home: Home, instance: str) -> None:
    path = write(home, MORE.replace("Big", "Near").replace("ben", "near"))
    assert run(home, path.relative_to("/"), "-n", instance, "--user").returncode == 0


def piped(home: Home, content: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Import from standard input."""
    who = home.account
    assert who is not None
    return subprocess.run(
        [sys.executable, "-m", "vserver", "import", "-", *arguments], input=content, capture_output=True, text=True,
        check=False, timeout=300, cwd="/", env=home.variables, user=who.pw_uid, group=who.pw_gid, extra_groups=[],
    )  # fmt: skip


def test_an_export_piped_into_an_import_changes_nothing(home: Home, instance: str) -> None:
    done = piped(home, exported(home, instance), "-n", instance, "--user")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Nothing was changed: all that stands in standard input is in ")


def test_what_is_wrong_in_standard_input_is_said_with_its_lines(home: Home, instance: str) -> None:
    done = piped(home, '{"organizations": [\n{"nam": "A"}]}', "-n", instance, "--user")
    assert done.returncode == 4
    assert "standard input:2: organizations[0].nam: this key is not known" in done.stderr


KEYS = "collaborations:\n- {name: NAME, participants: [{name: Big, api_key: new}]}\n"


def test_api_keys_that_are_made_are_shown_once(home: Home, instance: str) -> None:
    path = write(home, MORE + KEYS.replace("NAME", "SHOWN"))
    first = run(home, path, "-n", instance, "--user")
    assert first.returncode == 0, first.stderr
    key = re.findall(r"^  Big +SHOWN +([0-9a-f-]{36})$", first.stdout, re.MULTILINE)[0]
    assert key not in first.stderr
    status = json.loads(home.vserver("status", "-n", instance, "--user", "--json").stdout)["data"]
    answer = httpx.post(f"{status['address']}/token/node", json={"api_key": key}, trust_env=False)
    assert answer.status_code == 200
    assert key not in run(home, path, "-n", instance, "--user").stdout


def test_api_keys_go_to_a_file_for_its_owner_alone(home: Home, instance: str) -> None:
    keys = home.folder / "keys.json"
    path = write(home, MORE + KEYS.replace("NAME", "FILED"))
    done = run(home, path, "-n", instance, "--user", "--keys-file", keys, "--json")
    assert done.returncode == 0, done.stderr
    assert keys.stat().st_mode & 0o777 == 0o600
    [made] = json.loads(keys.read_text())
    assert (made["organization"], made["collaboration"]) == ("Big", "FILED")
    assert made["api_key"] not in done.stdout + done.stderr
    again = run(home, path, "-n", instance, "--user", "--keys-file", keys)
    assert (again.returncode, "exists already" in again.stderr) == (4, True)
    assert json.loads(keys.read_text()) == [made]


def test_a_file_for_keys_that_stays_empty_is_not_left_behind(home: Home, instance: str) -> None:
    keys = home.folder / "none.json"
    assert run(home, write(home, MORE), "-n", instance, "--user", "--keys-file", keys).returncode == 0
    assert run(home, write(home, "x: 1"), "-n", instance, "--user", "--keys-file", keys).returncode == 4
    assert not keys.exists()


def test_users_without_a_password_are_told_of(home: Home, instance: str) -> None:
    path = write(home, "organizations: [{name: Silent, users: [{username: silent}]}]")
    done = run(home, path, "-n", instance, "--user")
    assert "1 new user has no password" in done.stdout
    status = json.loads(home.vserver("status", "-n", instance, "--user", "--json").stdout)["data"]
    for password in ("", "silent", "None"):
        body = {"username": "silent", "password": password}
        assert httpx.post(f"{status['address']}/token/user", json=body, trust_env=False).status_code in (400, 401)


def test_an_update_changes_what_exists(home: Home, instance: str) -> None:
    path = write(home, MORE.replace("name: Big", "name: Big\n  domain: big.nl"))
    refused = run(home, path, "-n", instance, "--user")
    assert (refused.returncode, "--update" in refused.stderr) == (4, True)
    assert run(home, path, "-n", instance, "--user", "--update").returncode == 0
    assert "domain: big.nl" in exported(home, instance)


def test_example_tasks_reach_a_node_that_is_connected(home: Home, instance: str) -> None:
    file = GOOD.replace("ZEPPELIN", "LIVE").replace(FIRST_KEY, LIVE_KEY).replace(SECOND_KEY, "none")
    assert run(home, write(home, file), "-n", instance, "--user").returncode == 0
    status = json.loads(home.vserver("status", "-n", instance, "--user", "--json").stdout)["data"]
    token = httpx.post(f"{status['address']}/token/node", json={"api_key": LIVE_KEY}, trust_env=False).json()
    heard: list[int] = []
    with connected(status["address"], token["access_token"], heard):
        wait_for(lambda: len(set(heard)) == 2, 60)
        more = file.replace("[hello-world, hello-moon]", "[hello-world, hello-moon, hello-mars]")
        assert run(home, write(home, more), "-n", instance, "--user").returncode == 0
        wait_for(lambda: len(set(heard)) == 3, 60)


@contextmanager
def connected(address: str, token: str, heard: list[int]) -> Generator[None]:
    """A node's socket; what it hears of new tasks."""
    client = new_blocking_client()
    client.on("new_task", heard.append, namespace="/tasks")
    root = address.removesuffix("/api")
    client.connect(root, headers={"Authorization": f"Bearer {token}"}, namespaces=["/tasks"], wait_timeout=30)
    try:
        yield
    finally:
        client.disconnect()


def test_drop_all_must_be_confirmed_with_the_right_name(home: Home, instance: str) -> None:
    before = exported(home, instance)
    path = write(home, GOOD)
    unasked = run(home, path, "-n", instance, "--user", "--drop-all")
    assert unasked.returncode == 4
    assert f"There is no terminal to ask at: add `--confirm {instance}`." in unasked.stderr
    wrong = run(home, path, "-n", instance, "--user", "--drop-all", "--confirm", "other")
    assert (wrong.returncode, "not the instance's name" in wrong.stderr) == (4, True)
    alone = run(home, path, "-n", instance, "--user", "--confirm", instance)
    assert (alone.returncode, "--confirm goes with --drop-all only" in alone.stderr) == (4, True)
    assert exported(home, instance) == before


def test_a_dry_run_of_drop_all_needs_no_confirmation(home: Home, instance: str) -> None:
    before = exported(home, instance)
    done = run(home, write(home, GOOD), "-n", instance, "--user", "--drop-all", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "organizations, " in done.stdout and "would be deleted before." in done.stdout
    assert exported(home, instance) == before


def test_at_a_terminal_the_name_is_typed_and_progress_is_seen(home: Home, instance: str) -> None:
    path = write(home, MORE.replace("Big", "Typed").replace("ben", "typed"))
    arguments = ("import", str(path), "-n", instance, "--user", "--drop-all")
    with at_terminal(home, *arguments) as terminal:
        terminal.answer(f"Type its name ({instance}) to go on", "wrong")
        assert terminal.end() == 4
    assert "name: Typed" not in exported(home, instance)
    with at_terminal(home, *arguments) as terminal:
        terminal.answer(f"Type its name ({instance}) to go on", instance)
        terminal.expect("users 1/1")
        assert terminal.end() == 0
    now = exported(home, instance)
    assert "name: Typed" in now and "name: Big" not in now


def test_a_confirmed_drop_all_leaves_the_file_and_the_first_user(home: Home, instance: str) -> None:
    done = run(home, write(home, GOOD), "-n", instance, "--user", "--drop-all", "--confirm", instance)
    assert done.returncode == 0, done.stderr
    assert "were deleted before." in done.stdout
    document = yaml.safe_load(exported(home, instance))
    assert [one["name"] for one in document["organizations"]] == ["root", "IKNL", "Small"]


# The last with this instance: it is stopped, and stays so.
def test_a_stopped_instance_is_imported_into_exported_and_left_stopped(home: Home, instance: str) -> None:
    assert home.vserver("stop", "-n", instance, "--user").returncode == 0
    done = run(home, write(home, MORE), "-n", instance, "--user")
    assert done.returncode == 0, done.stderr
    assert "is stopped: its database is started for this, and stopped again" in done.stderr
    assert "name: Big" in exported(home, instance)
    assert json.loads(home.vserver("status", "-n", instance, "--user", "--json").stdout)["data"]["state"] == "stopped"


def test_a_terminal_is_no_file(home: Home) -> None:
    with at_terminal(home, "import", "-") as terminal:
        assert terminal.end() == 4
        assert "- reads standard input, which is a terminal" in terminal.screen


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
