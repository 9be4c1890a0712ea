"""What the commands say and how they end, as a script and a person meet them."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.accounts import throw_away_account
from support.local import Home, new_home
from vserver.main import build_app


@pytest.fixture
def home() -> Iterator[Home]:
    with new_home() as made:
        yield made


def test_the_help_answers_without_the_heavy_libraries() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "vserver", "--help"], capture_output=True, text=True, check=True
    )
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not loaded & {
        "python_on_whales",
        "sqlalchemy",
        "rich",
        "pydantic",
        "yaml",
        "questionary",
        "psutil",
        "dataquality",
    }
    manual = ("new", "start", "stop", "files", "attach", "list", "shell", "import", "version")
    for command in (*manual, "export", "status", "user", "image", "autostart"):
        assert f"\n  {command} " in done.stdout


def test_without_a_command_there_is_the_help(home: Home) -> None:
    done = home.here()
    assert done.returncode == 0
    assert "Commands:" in done.stdout


def every_command() -> Iterator[list[str]]:
    """The words of each command and of each command of a group."""
    from typer.main import get_command

    def below(command: object, words: list[str]) -> Iterator[list[str]]:
        children: dict[str, object] | None = getattr(command, "commands", None)
        if children is None:
            yield words
        for name, child in (children or {}).items():
            yield from below(child, [*words, name])

    return below(get_command(build_app()), [])


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_each_help_has_an_example_of_this_very_command(home: Home, words: list[str]) -> None:
    done = home.here(*words, "--help")
    assert done.returncode == 0
    examples = re.split(r"\n +Examples?:\n", done.stdout)[1]
    called = " ".join(["vserver", *words])
    assert any(called in line for line in examples.splitlines())


@pytest.mark.parametrize("command", ["new", "start", "stop", "list", "status", "files", "version", "autostart"])
def test_each_command_explains_its_options(home: Home, command: str) -> None:
    done = home.here(command, "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout
    for retired in ("--rabbitmq-image", "--with-ui", "--mount-src", "--keep"):
        assert retired not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        (["--rabbitmq-image", "rabbit:3"], "Redis is part of the stack"),
        (["--with-ui"], "run one beside it"),
        (["--ui-port", "5001"], "no user interface"),
        (["--mount-src", "/src"], "vserver image build"),
        (["--keep"], "outlive the containers"),
        (["--auto-remove"], "outlive the containers"),
    ],
)
def test_an_option_of_the_older_server_is_answered_with_what_to_do_instead(
    home: Home, arguments: list[str], instead: str
) -> None:
    done = home.here("start", *arguments)
    assert done.returncode == 4
    assert arguments[0] in done.stderr
    assert instead in done.stderr.split("hint: ")[1]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["strat"], "start"),
        (["start", "--prot", "5"], "--port"),
        (["start", "-p", "70000"], "65535"),
        (["start", "-p", "many"], "-p"),
        (["autostart", "maybe"], "enable"),
    ],
)
def test_what_is_mistyped_is_a_usage_error_that_names_what_was_meant(
    home: Home, arguments: list[str], message: str
) -> None:
    done = home.here(*arguments)
    assert done.returncode == 4
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "\nhint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_must_be_one(home: Home) -> None:
    name = home.configure("port: 5000")
    done = home.here("start", "-n", name, "--user", "--driver", "local", "--ip", "myhost")
    assert done.returncode == 4
    assert "'myhost' is not an IP address" in done.stderr


def test_a_name_that_is_not_there_lists_those_that_are(home: Home) -> None:
    home.configure("port: 5000", name="hospital")
    done = home.here("status", "-n", "hopsital", "--user")
    assert done.returncode == 4
    assert "hospital" in done.stderr.split("hint: ")[1]


def test_several_configurations_and_no_terminal_is_an_error_and_no_question(home: Home) -> None:
    home.configure("port: 5000", name="one")
    home.configure("port: 5001", name="two")
    done = home.here("files", "--user")
    assert done.returncode == 4
    assert "one, two" in done.stderr


def test_several_configurations_and_a_terminal_lead_to_a_question(home: Home) -> None:
    home.configure("port: 5000", name="one")
    home.configure("port: 5001", name="two")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vserver", "files", "--user"],
        stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=home.variables | {"TERM": "xterm"},
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while b"two" not in seen:
        seen += os.read(ours, 1000)
    os.write(ours, b"\x1b[B\r")
    with contextlib.suppress(OSError):  # the other side is closed
        while os.read(ours, 1000):
            pass
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert b"/two.yaml" in out
    assert b"Which configuration?" in seen


def test_json_is_one_envelope_for_success_and_for_failure(home: Home) -> None:
    name = home.configure("port: 5000")
    good = json.loads(home.here("files", "-n", name, "--user", "--json").stdout)
    assert (good["ok"], good["command"]) == (True, "files")
    done = home.here("files", "-n", "other", "--user", "--json")
    bad = json.loads(done.stdout)
    assert bad["ok"] is False
    assert bad["error"]["exit_code"] == done.returncode == 4
    assert bad["error"]["message"]
    assert bad["error"]["hint"]


def test_a_server_that_never_ran_is_stopped(home: Home) -> None:
    name = home.configure("port: 5000")
    done = home.here("status", "-n", name, "--user")
    assert done.returncode == 1
    assert "stopped" in done.stdout
    assert f"vserver start --name {name} -e dev --user" in done.stdout


def test_stopping_what_does_not_run_is_a_note_and_no_error(home: Home) -> None:
    name = home.configure("port: 5000")
    for arguments in (["--user"], ["--all", "--user"], ["-n", name, "--user"], []):
        done = home.here("stop", *arguments)
        assert done.returncode == 0, done.stderr
        assert "nothing is running" in done.stderr
        assert done.stdout == ""


def test_no_running_server_has_no_version(home: Home) -> None:
    home.configure("port: 5000")
    done = home.here("version", "--user")
    assert done.returncode == 1
    assert "No server is running" in done.stderr


def test_the_list_shows_all_configurations_and_counts_those_that_cannot_be_read(home: Home) -> None:
    home.configure("port: 5000", name="good", environment="test")
    home.configure("prot: 5000", name="wrong")
    done = home.here("list", PATH="/nowhere")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert rows[0].split() == ["Name", "Environments", "Status", "System/User"]
    assert rows[2].split() == ["good", "test", "Not", "running", "User"]
    assert "Unreadable configurations: 1" in done.stdout
    assert "wrong.yaml:3" in done.stdout
    read = json.loads(home.here("list", "--json").stdout)["data"]
    assert [row["name"] for row in read["configurations"]] == ["good", "wrong"]


def test_files_hide_the_password_of_the_database(home: Home) -> None:
    name = home.configure("port: 5000\nuri: postgresql://user:hidden@db.example/x")
    done = home.here("files", "-n", name, "--user")
    assert "hidden" not in done.stdout + done.stderr
    assert "postgresql://user:***@db.example/x" in done.stdout
    for label in ("Configuration file:", "Data folder:", "Log file:", "Database:", "Secrets:", "Driver:"):
        assert label in done.stdout


def test_files_name_a_sqlite_database_by_its_full_path(home: Home) -> None:
    name = home.configure("port: 5000\nuri: sqlite:///mine.sqlite")
    data = json.loads(home.here("files", "-n", name, "--user", "--json").stdout)["data"]
    assert data["database"] == f"sqlite:///{data['data']}/mine.sqlite"


def test_a_configuration_that_is_wrong_is_told_with_file_line_and_key(home: Home) -> None:
    name = home.configure("prot: 5000")
    done = home.here("start", "-n", name, "--user", "--driver", "local")
    assert done.returncode == 4
    assert f"{name}.yaml:3" in done.stderr
    assert "port" in done.stderr


def test_a_missing_engine_is_told_with_its_remedy_where_compose_was_asked_for(home: Home) -> None:
    name = home.configure("port: 5000\ndriver: compose")
    done = home.here("start", "-n", name, "--user", PATH="/nowhere")
    assert done.returncode == 2, done.stderr
    assert "ocker" in done.stderr
    assert "hint: " in done.stderr
    assert list(home.folder.rglob("compose.yaml")) == []


def test_starting_at_boot_is_written_told_and_taken_back() -> None:
    """As an ordinary user: as root it would write the machine's own units."""
    with throw_away_account() as account, new_home(account) as home:
        options = ("-n", home.configure("port: 5000"), "--user", "--driver", "local")
        assert "does not start at boot" in home.vserver("autostart", "status", *options).stdout
        done = home.vserver("autostart", "enable", *options, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["data"]["enabled"] is True
        assert list((home.folder / "config" / "systemd" / "user").rglob("*.wants/*.service"))
        assert "does not start at boot" in home.vserver("autostart", "disable", *options).stdout
        assert not list((home.folder / "config" / "systemd").rglob("*.service"))
