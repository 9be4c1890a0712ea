"""`vserver import` and `vserver export`: with a real stack of the local driver, and what is said without one.

One instance serves all: its tests follow one another, and the last stops it. What an export holds: dataquality/jobs.
"""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from support.accounts import throw_away_account
from support.importing import FIRST_KEY, GOOD
from support.local import Home, new_home, wait_for
from support.processes import free_port
from support.sockets import new_blocking_client
from support.terminal import at_terminal

MORE = "organizations:\n- name: Big\n  users:\n  - {username: ben, password: password}\n"

HELD = ("organization", "user", "role", "role_rule_association", "userpermission", "permission",
        "collaboration", "member", "node", "task", "result", "resultcontent")  # fmt: skip


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


@pytest.fixture(scope="module")
def address(home: Home, instance: str) -> str:
    """Where its API is."""
    return json.loads(home.vserver("status", "-n", instance, "--user", "--json").stdout)["data"]["address"]


@pytest.fixture(scope="module")
def first(home: Home, instance: str) -> "subprocess.CompletedProcess[str]":
    """How the import of the first file ended."""
    return run(home, write(home, GOOD), "-n", instance, "--user")


@pytest.fixture(scope="module")
def alone(home: Home, instance: str) -> "subprocess.CompletedProcess[str]":
    """How the import of the first file ended that took the place of all that there was."""
    return run(home, write(home, GOOD), "-n", instance, "--user", "--drop-all", "--confirm", instance)


def write(home: Home, text: str, name: str = "file.yaml") -> Path:
    path = home.folder / name
    path.write_text(text)
    return path


def run(home: Home, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return home.vserver("import", *map(str, arguments))


def held(home: Home) -> dict[str, list[Any]]:
    """All that an import could change in the database of the instance."""
    [file] = home.folder.rglob("x.sqlite")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        rows = {table: database.execute(f'SELECT * FROM "{table}" ORDER BY 1, 2').fetchall() for table in HELD}
        # Its other columns say who is online: a node of another test goes offline when it likes.
        identities = database.execute("SELECT id, type, stamp, created_at FROM authenticatable ORDER BY 1").fetchall()
        return rows | {"authenticatable": identities}


def test_a_file_is_imported_with_progress_a_summary_and_the_next_step(
    instance: str, first: "subprocess.CompletedProcess[str]"
) -> None:
    assert first.returncode == 0, first.stderr
    words = [line.split() for line in first.stdout.splitlines()]
    assert ["users", "2", "0", "0"] in words
    assert ["tasks", "2", "0", "0"] in words
    assert f"vserver status --name {instance} -e dev --user" in first.stdout
    assert "users 2/2" in first.stderr
    assert "password: password" not in first.stdout + first.stderr
    place = r"file\.yaml:(11|15): organizations\[[01]\]\.users\[0\]\.password: this password is weak"
    assert re.findall(rf"^warning: .*/{place}", first.stderr, re.M) == ["11", "15"]
    assert FIRST_KEY not in first.stdout + first.stderr


@pytest.mark.usefixtures("first")
def test_an_imported_user_can_sign_in(address: str) -> None:
    body = {"username": "admin", "password": "password"}
    answer = httpx.post(f"{address}/token/user", json=body, timeout=60, trust_env=False)
    assert answer.status_code == 200


def test_a_relative_path_is_taken_and_json_says_how_much_is_new(home: Home, instance: str) -> None:
    path = write(home, MORE.replace("Big", "Json").replace("ben", "json")).relative_to("/")
    envelope = json.loads(run(home, path, "-n", instance, "--user", "--json").stdout)
    assert (envelope["ok"], envelope["command"]) == (True, "import")
    assert envelope["data"]["file"] == str(path)
    assert envelope["data"]["imported"]["users"] == {"created": 1, "changed": 0, "unchanged": 0}


def test_what_is_wrong_is_said_with_its_lines_and_exit_code_4_and_leaves_no_file_for_keys(
    home: Home, instance: str
) -> None:
    keys = home.folder / "no-keys.json"
    path = write(home, "organizations:\n- domain: x\n- name: A\n  xyz: 1\n")
    done = run(home, path, "-n", instance, "--user", "--keys-file", keys)
    assert (done.returncode, done.stdout) == (4, "")
    assert f"{path}:2: organizations[0].name: this is missing. Give the organization a name" in done.stderr
    assert f"{path}:4: organizations[1].xyz: this key is not known" in done.stderr
    assert "nothing was changed" in done.stderr
    assert not keys.exists()


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
    done = home.vserver("export", "-n", name, "--user")
    assert done.returncode == 1
    assert f"Start it first: `vserver start --name {name} -e dev --user`." in done.stderr


def exported(home: Home, instance: str) -> str:
    """All that the instance holds."""
    done = home.vserver("export", "-n", instance, "--user")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dry_run_shows_a_plan_and_changes_nothing(home: Home, instance: str) -> None:
    before = held(home)
    path = write(home, MORE.replace("Big", "Planned").replace("ben", "planned"))
    done = run(home, path, "-n", instance, "--user", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Nothing was changed. This is what importing")
    assert ["users", "1", "0", "0"] in [line.split() for line in done.stdout.splitlines()]
    assert "  new organizations: Planned\n" in done.stdout
    data = json.loads(run(home, path, "-n", instance, "--user", "--dry-run", "--json").stdout)["data"]
    assert data["plan"]["users"] == {"created": ["planned"], "changed": [], "unchanged": []}
    assert data["dry_run"] is True
    assert held(home) == before


@pytest.mark.usefixtures("first")
def test_the_same_file_twice_changes_nothing_and_says_so(home: Home, instance: str) -> None:
    path, before = write(home, GOOD), held(home)
    done = run(home, path, "-n", instance, "--user")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Nothing was changed: all that stands in {path} is in ")
    assert held(home) == before


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


def test_what_is_wrong_in_standard_input_is_said_with_its_lines_and_in_the_json_too(home: Home, instance: str) -> None:
    done = piped(home, '{"organizations": [\n{"nam": "A"}]}', "-n", instance, "--user", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_code"]) == (4, 4)
    assert "standard input:2: organizations[0].nam: this key is not known" in error["message"]


KEYS = "collaborations:\n- {name: NAME, participants: [{name: Big, api_key: new}]}\n"


def test_api_keys_that_are_made_are_shown_once(home: Home, instance: str, address: str) -> None:
    path = write(home, MORE + KEYS.replace("NAME", "SHOWN"))
    first = run(home, path, "-n", instance, "--user")
    assert first.returncode == 0, first.stderr
    key = re.findall(r"^  Big +SHOWN +([0-9a-f-]{36})$", first.stdout, re.MULTILINE)[0]
    assert key not in first.stderr
    answer = httpx.post(f"{address}/token/node", json={"api_key": key}, timeout=60, trust_env=False)
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
    assert not keys.exists()


def test_users_without_a_password_are_told_of(home: Home, instance: str, address: str) -> None:
    path = write(home, "organizations: [{name: Silent, users: [{username: silent}]}]")
    done = run(home, path, "-n", instance, "--user")
    assert "1 new user has no password" in done.stdout
    for password in ("", "silent", "None"):
        body = {"username": "silent", "password": password}
        assert httpx.post(f"{address}/token/user", json=body, timeout=60, trust_env=False).status_code in (400, 401)


def test_an_update_changes_what_exists(home: Home, instance: str) -> None:
    path = write(home, MORE.replace("name: Big", "name: Big\n  domain: big.nl"))
    refused = run(home, path, "-n", instance, "--user")
    assert (refused.returncode, "--update" in refused.stderr) == (4, True)
    assert run(home, path, "-n", instance, "--user", "--update").returncode == 0
    assert "big.nl" in str(held(home)["organization"])


@pytest.mark.usefixtures("first")
def test_example_tasks_reach_a_node_that_is_connected(home: Home, instance: str, address: str) -> None:
    token = httpx.post(f"{address}/token/node", json={"api_key": FIRST_KEY}, timeout=60, trust_env=False).json()
    heard: list[int] = []
    with connected(address, token["access_token"], heard):
        wait_for(lambda: len(set(heard)) == 2, 60)
        more = GOOD.replace("[hello-world, hello-moon]", "[hello-world, hello-moon, hello-mars]")
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
    before = held(home)
    path = write(home, GOOD)
    unasked = run(home, path, "-n", instance, "--user", "--drop-all")
    assert unasked.returncode == 4
    assert f"There is no terminal to ask at: add `--confirm {instance}`." in unasked.stderr
    wrong = run(home, path, "-n", instance, "--user", "--drop-all", "--confirm", "other")
    assert (wrong.returncode, "not the instance's name" in wrong.stderr) == (4, True)
    alone = run(home, path, "-n", instance, "--user", "--confirm", instance)
    assert (alone.returncode, "--confirm goes with --drop-all only" in alone.stderr) == (4, True)
    assert held(home) == before


def test_a_dry_run_of_drop_all_needs_no_confirmation(home: Home, instance: str) -> None:
    before = held(home)
    done = run(home, write(home, GOOD), "-n", instance, "--user", "--drop-all", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "organizations, " in done.stdout and "would be deleted before." in done.stdout
    assert held(home) == before


def test_at_a_terminal_the_name_is_typed_and_progress_is_seen(home: Home, instance: str) -> None:
    path = write(home, MORE.replace("Big", "Typed").replace("ben", "typed"))
    arguments = ("import", str(path), "-n", instance, "--user", "--drop-all")
    with at_terminal(home, *arguments) as terminal:
        terminal.answer(f"Type its name ({instance}) to go on", "wrong")
        assert terminal.end() == 4
    assert "Typed" not in str(held(home)["organization"])
    with at_terminal(home, *arguments) as terminal:
        terminal.answer(f"Type its name ({instance}) to go on", instance)
        terminal.expect("users 1/1")
        assert terminal.end() == 0
    now = str(held(home)["organization"])
    assert "Typed" in now and "Big" not in now


def test_a_confirmed_drop_all_leaves_the_file_and_the_first_user(
    home: Home, alone: "subprocess.CompletedProcess[str]"
) -> None:
    assert alone.returncode == 0, alone.stderr
    assert "were deleted before." in alone.stdout
    assert "with its first password. Set another:\n  vserver user set-password root --name" in alone.stdout
    with_names = str(held(home)["organization"])
    assert len(held(home)["organization"]) == 3
    assert "'root'" in with_names and "'IKNL'" in with_names and "'Small'" in with_names


@pytest.mark.usefixtures("alone")
def test_without_output_the_export_goes_to_standard_output_and_all_else_to_standard_error(
    home: Home, instance: str
) -> None:
    done = home.vserver("export", "-n", instance, "--user")
    assert done.returncode == 0, done.stderr
    assert [one["name"] for one in yaml.safe_load(done.stdout)["organizations"]] == ["root", "IKNL", "Small"]
    as_json = home.vserver("export", "-n", instance, "--user", "--format", "json")
    assert json.loads(as_json.stdout) == yaml.safe_load(done.stdout)


@pytest.mark.usefixtures("alone")
def test_a_file_is_written_for_its_owner_alone_and_never_over_another(home: Home, instance: str) -> None:
    file = home.folder / "out.yaml"
    done = home.vserver("export", "-n", instance, "--user", "--output", str(file))
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert ["users", "3"] in [line.split() for line in done.stdout.splitlines()]
    written = file.read_text()
    file.write_text("precious")
    refused = home.vserver("export", "-n", instance, "--user", "--output", str(file))
    assert (refused.returncode, "--force" in refused.stderr, file.read_text()) == (4, True, "precious")
    assert home.vserver("export", "-n", instance, "--user", "--output", str(file), "--force").returncode == 0
    assert file.read_text() == written
    assert [path.name for path in home.folder.glob(".out*")] == []


@pytest.mark.usefixtures("alone")
def test_a_link_in_its_place_is_not_followed(home: Home, instance: str) -> None:
    link, target = home.folder / "link.yaml", home.folder / "target"
    target.write_text("precious")
    link.symlink_to(target)
    assert home.vserver("export", "-n", instance, "--user", "--output", str(link)).returncode == 4
    assert home.vserver("export", "-n", instance, "--user", "--output", str(link), "--force").returncode == 0
    assert (target.read_text(), link.is_symlink()) == ("precious", False)


@pytest.mark.usefixtures("alone")
def test_json_tells_of_the_file(home: Home, instance: str) -> None:
    file = home.folder / "out.json"
    done = home.vserver("export", "-n", instance, "--user", "--output", str(file), "--json")
    data = json.loads(done.stdout)["data"]
    assert (data["file"], data["format"]) == (str(file), "json")
    counts = {"organizations": 3, "roles": 2, "users": 3, "collaborations": 1, "nodes": 2}
    assert data["exported"] == counts
    assert len(json.loads(file.read_text())["organizations"]) == 3


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


def test_what_cannot_be_written_or_means_nothing_is_said_before_anything_else(home: Home) -> None:
    cases = {
        ("--json",): "--json tells of a file that was written",
        ("--format", "xml"): "there is no format `xml`",
        ("--output", str(home.folder)): "this is a folder",
        ("--output", str(home.folder / "nowhere" / "x.yaml")): "its folder cannot be written to",
    }
    for arguments, said in cases.items():
        done = home.vserver("export", *arguments)
        assert (done.returncode, said in done.stdout + done.stderr) == (4, True)
