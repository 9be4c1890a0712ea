"""`vserver attach` and `start --attach`, with a real stack, at a real terminal and without one."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.accounts import throw_away_account
from support.local import Home, new_home, wait_for
from support.processes import as_account, free_port
from support.terminal import CTRL_C, ENTER, at_terminal


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """The home of an ordinary user."""
    with throw_away_account() as account, new_home(account) as made:
        yield made


@pytest.fixture(scope="module")
def name(home: Home) -> Iterator[str]:
    """A running server, started at a terminal and detached from."""
    name = home.configure(f"description: x\nip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///x.sqlite")
    with at_terminal(home, "start", "-n", name, "--user", "--driver", "local", "--attach") as terminal:
        terminal.expect("redis is ready")
        terminal.expect("gateway is ready")
        terminal.expect("is running (driver local, started in")
        terminal.expect("Ctrl-C detaches, and the server keeps running")
        terminal.expect("auth ")
        terminal.press(CTRL_C)
        assert terminal.end() == 0
        assert f"dataquality-{name}-dev-user keeps running" in terminal.screen
    yield name
    home.vserver("stop", "--all", "--user")


def log_of(home: Home, part: str) -> Path:
    return next(home.folder.rglob(f"*-{part}.log"))


def write(home: Home, part: str, line: str) -> None:
    with log_of(home, part).open("a") as file:
        file.write(f"{line}\n")


def is_running(home: Home, name: str) -> bool:
    """Now, or as soon as each part answers: on a starved machine one may take its time."""
    wait_for(lambda: home.vserver("status", "-n", name, "--user").returncode == 0, 60)
    return True


def test_each_part_has_its_colour_and_ctrl_c_leaves_the_server_running(home: Home, name: str) -> None:
    with at_terminal(home, "attach", "--user") as terminal:
        terminal.expect("Ctrl-C detaches")
        terminal.expect("entity")
        write(home, "auth", "of auth \x1b[2J")
        terminal.expect("of auth \\x1b[2J")
        write(home, "entity", "of entity")
        terminal.expect("of entity")
        terminal.press(CTRL_C)
        assert terminal.end() == 0
        assert f"keeps running. `vserver stop --name {name} -e dev --user` stops it." in terminal.screen
        heads = set(re.findall(r"\x1b\[(\d\d)m(auth|entity) +\|", terminal.raw.decode()))
        assert len(heads) == len({colour for colour, _ in heads}) == 2
        assert "\x1b[2J" not in terminal.raw.decode()
    assert is_running(home, name)


def attached(home: Home, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "vserver", "attach", "--user", *arguments],
        env={name: value for name, value in home.variables.items() if name != "NO_COLOR"}, cwd="/",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **as_account(home.account),
    )  # fmt: skip


def lines_until(process: "subprocess.Popen[str]", end: str) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if end in line:
            break
    return lines


@contextmanager
def writing_again_and_again(home: Home, **lines: str) -> Generator[None]:
    """Add these lines to logs until the block ends: the last 0 lines are those before attach looks, at any time."""
    enough = threading.Event()

    def write_them() -> None:
        while not enough.wait(0.2):
            for part, line in lines.items():
                write(home, part, line)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_them)
        try:
            yield
        finally:
            enough.set()
            writing.result()


def test_without_a_terminal_there_are_no_colours_and_only_the_parts_that_are_meant(home: Home, name: str) -> None:
    process = attached(home, "-n", name, "--service", "worker", "--service", "beat", "--tail", "0")
    assert process.stderr is not None
    assert "Ctrl-C detaches" in process.stderr.readline()
    with writing_again_and_again(home, auth="not wanted", worker="wanted", beat="the end"):
        lines = [line for end in ("wanted", "the end", "wanted") for line in lines_until(process, end)]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert "worker | wanted" in lines
    assert "beat   | the end" in lines
    assert all(line.startswith(("worker |", "beat   |")) for line in lines)
    assert "\x1b" not in "".join(lines)


def test_what_was_written_since_a_time_comes_first(home: Home, name: str) -> None:
    write(home, "entity", "2020-01-01 00:00:00 long ago")
    write(home, "entity", "2999-01-01 00:00:00 in time to come")
    process = attached(home, "-n", name, "--service", "entity", "--since", "2998-01-01")
    lines = lines_until(process, "in time to come")
    process.terminate()
    assert process.wait(60) == 0
    assert lines == ["entity | 2999-01-01 00:00:00 in time to come"]


def test_a_rotated_log_is_followed(home: Home, name: str) -> None:
    process = attached(home, "-n", name, "--service", "gateway", "--tail", "1")
    with writing_again_and_again(home, gateway="first"):
        lines_until(process, "first")
    log = log_of(home, "gateway")
    log.rename(log.with_name(f"{log.name}.1"))
    log.write_text("after the rotation\n")
    assert lines_until(process, "after the rotation")
    process.terminate()
    assert process.wait(60) == 0


def test_a_reader_that_has_seen_enough_is_no_error(home: Home, name: str) -> None:
    process = attached(home, "-n", name)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    wait_for(lambda: write(home, "auth", "more") or process.poll() is not None)
    assert process.returncode == 0
    assert process.stderr is not None
    assert "error" not in process.stderr.read()


def test_several_running_servers_lead_to_a_question_and_without_a_terminal_to_an_error(home: Home, name: str) -> None:
    """And one that writes nothing to its console is shown from its log file; when it stops, so does attach."""
    keys = f"ip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///y.sqlite\nlogging:\n  use_console: false"
    other = home.configure(keys, name="zz")
    assert home.vserver("start", "-n", other, "--user", "--driver", "local").returncode == 0
    done = home.vserver("attach", "--user")
    assert done.returncode == 4
    assert "2 servers are running" in done.stderr
    assert "--name" in done.stderr.split("hint: ")[1]
    with at_terminal(home, "attach", "--user", "--since", "1h") as terminal:
        terminal.expect("Which server?")
        terminal.expect("dataquality-zz-dev-user")
        terminal.press("\x1b[B" + ENTER)
        terminal.expect("the logs of dataquality-zz-dev-user")
        terminal.expect("component=auth")
        with at_terminal(home, "stop", "--user") as stopping:
            stopping.expect("Which server?")
            stopping.expect("dataquality-zz-dev-user")
            stopping.press("\x1b[B" + ENTER)
            stopping.expect("dataquality-zz-dev-user: stopped")
            assert stopping.end() == 0
        terminal.expect("dataquality-zz-dev-user has stopped; `vserver start --name zz -e dev --user` starts it")
        assert terminal.end() == 0
    assert is_running(home, name)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--service", "dispach"], 4, "Did you mean dispatch?"),
        (["--service", "x"], 4, "There are: redis, migrate, auth"),
        (["--since", "yesterday"], 4, "'yesterday' is no time"),
        (["--tail", "-1"], 4, "--tail"),
        (["--name", "nowhere"], 4, "there is no configuration nowhere"),
    ],
)
def test_what_cannot_be_shown_is_told(home: Home, name: str, arguments: list[str], code: int, said: str) -> None:
    which = [] if "--name" in arguments else ["-n", name]
    done = home.vserver("attach", "--user", *which, *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "hint: " in done.stderr


def test_a_server_that_does_not_run_has_no_logs_to_follow() -> None:
    with new_home() as home:
        done = home.vserver("attach", "--user")
        assert done.returncode == 1
        assert "No server is running at user level" in done.stderr
        name = home.configure("port: 5000")
        done = home.vserver("attach", "-n", name, "--user")
        assert done.returncode == 1
        assert f"{name} is not running" in done.stderr
        assert f"`vserver start --name {name} --user`" in done.stderr
