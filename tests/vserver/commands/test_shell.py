"""`vserver shell`: at a real terminal and without one, on real stacks of the local driver."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.accounts import throw_away_account
from support.local import Home, new_home, processes_below, wait_for, words_below
from support.processes import as_account, free_port
from support.terminal import CTRL_C, CTRL_D, ENTER, Terminal, at_terminal

SHELL = "dataquality.jobs.shell"


@dataclass(frozen=True)
class Server:
    """A running instance, and whose it is."""

    home: Home
    name: str

    @property
    def words(self) -> list[str]:
        """The command line for it."""
        return ["shell", "-n", self.name, "--user"]

    def shell(self, *options: str, code: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Without a terminal, with this on standard input."""
        return subprocess.run(
            [sys.executable, "-m", "vserver", *self.words, *options],
            input=code or "", capture_output=True, text=True, check=False, timeout=120, cwd="/",
            env=self.home.variables, **as_account(self.home.account),
        )  # fmt: skip


@contextmanager
def running(home: Home, keys: str = "", environment: str = "dev") -> Generator[Server]:
    """A server of this home with these keys."""
    name = home.configure(f"description: x\nip: 127.0.0.1\nport: {free_port()}\n{keys}", environment=environment)
    started = home.vserver("start", "-n", name, "--user", "--driver", "local")
    assert started.returncode == 0, started.stderr
    try:
        yield Server(home, name)
    finally:
        home.vserver("stop", "-n", name, "--user")


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """The home of an ordinary user."""
    with throw_away_account() as account, new_home(account) as made:
        yield made


@pytest.fixture(scope="module")
def server(home: Home) -> Iterator[Server]:
    """A user's, on SQLite."""
    with running(home, "uri: sqlite:///x.sqlite") as made:
        yield made


@pytest.fixture(scope="module")
def roots_server() -> Iterator[Server]:
    """Root's, on the Postgres that the stack brings: it runs as an account without rights."""
    if os.geteuid() != 0:
        pytest.skip("needs to be run as root")
    with new_home() as made, running(made) as server:
        yield server


@pytest.fixture(params=["user", pytest.param("root", marks=pytest.mark.root)])
def any_server(request: pytest.FixtureRequest) -> Server:
    """Once for a user, and once for root."""
    return request.getfixturevalue("server" if request.param == "user" else "roots_server")


def typed(terminal: Terminal, code: str, shown: str) -> None:
    """Type it at the prompt, and wait for what it shows."""
    terminal.expect("In [")
    terminal.press(code + ENTER)
    terminal.expect(shown)


def leave(terminal: Terminal) -> None:
    """At the next prompt."""
    terminal.expect("In [")
    terminal.press(CTRL_D)
    assert terminal.end() == 0


def test_a_prompt_shows_and_changes_the_database_until_ctrl_d(any_server: Server) -> None:
    with at_terminal(any_server.home, *any_server.words) as terminal:
        terminal.expect("`db` holds its data")
        typed(terminal, "db.Organization.get(1)", "<Organization 1: 'root'")
        typed(terminal, "print(Scope.GLOBAL.value, Operation.VIEW.value)", "glo v")
        typed(
            terminal, 'db.User(username="root").save()', "error: Nothing was stored: a user needs a value for password."
        )
        typed(terminal, "import os; os.isatty(0), os.get_terminal_size().columns", "(True, 200)")
        typed(terminal, 'db.Organization(name="typed").save(); print("sto" + "red")', "stored")
        leave(terminal)
    assert "'typed'" in any_server.shell("--command", 'db.Organization.get_by_name("typed")').stdout


def test_ctrl_c_stops_what_is_running_and_the_prompt_goes_on(any_server: Server) -> None:
    with at_terminal(any_server.home, *any_server.words) as terminal:
        typed(terminal, 'import time; print("sl" + "eeping"); time.sleep(600)', "sleeping")
        terminal.press(CTRL_C)
        terminal.expect("KeyboardInterrupt")
        typed(terminal, "6 * 7", "42")
        leave(terminal)


@pytest.mark.root
def test_the_prompt_of_root_runs_as_the_servers_account_on_a_terminal_of_its_own(roots_server: Server) -> None:
    with at_terminal(roots_server.home, *roots_server.words) as terminal:
        typed(terminal, "import os; print('uid', os.getuid() != 0, 'terminal', os.ttyname(0))", "uid True terminal ")
        shown = terminal.expect("\n").split()[0]
        assert shown.startswith("/dev/pts/")
        assert shown != os.readlink(f"/proc/{terminal.process.pid}/fd/0")
        leave(terminal)


def test_nothing_that_was_typed_is_kept_and_no_secret_is_seen_from_outside(server: Server) -> None:
    with at_terminal(server.home, *server.words) as terminal:
        typed(terminal, 'word = "a-password-that-was-typed"; print("kno" + "wn")', "known")
        secrets = [path.read_text().strip() for path in server.home.folder.rglob("secrets/migrate/*")]
        assert len(secrets) >= 3
        [job] = processes_below(server.home.folder, SHELL)
        visible = [*job.cmdline(), *job.environ().values()]
        assert not [secret for secret in secrets if any(secret in word for word in visible)]
        leave(terminal)
    assert [path for path in server.home.folder.rglob("*") if b"that-was-typed" in content_of(path)] == []


def content_of(path: Path) -> bytes:
    """Nothing for what is no file, or was one: files come and go where a server runs."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes() if path.is_file() else b""
    return b""


def test_a_terminal_that_goes_away_takes_the_shell_with_it(server: Server) -> None:
    with at_terminal(server.home, *server.words) as terminal:
        terminal.expect("In [")
        terminal.process.terminate()
        assert terminal.end() == 130
    wait_for(lambda: not processes_below(server.home.folder, SHELL))


def test_code_on_standard_input_is_run_and_what_it_shows_can_be_piped(any_server: Server) -> None:
    done = any_server.shell(code='print("one")\n[role.name for role in db.Role.get()][:1]\n')
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "one")
    assert done.stdout.splitlines()[1].startswith("['")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("code", "ends_with", "said"),
    [
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(7)", 7, ""),
    ],
)
def test_code_that_fails_says_so_and_ends_so(server: Server, code: str, ends_with: int, said: str) -> None:
    done = server.shell("--command", code)
    assert (done.returncode, done.stdout) == (ends_with, "")
    assert said in done.stderr


def test_a_secret_in_code_on_standard_input_is_in_no_list_of_processes(server: Server) -> None:
    waiting = 'secret = "a-secret-in-code"\nimport time\nprint("there", flush=True)\ntime.sleep(60)\n'
    process = subprocess.Popen(
        [sys.executable, "-m", "vserver", *server.words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=server.home.variables, cwd="/",
        **as_account(server.home.account),
    )  # fmt: skip
    try:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(waiting)
        process.stdin.close()
        assert process.stdout.readline() == "there\n"
        assert not [word for word in words_below(server.home.folder) if "a-secret-in-code" in word]
    finally:
        process.terminate()
        process.wait(60)


def test_a_server_that_does_not_run_is_named_with_what_to_do(home: Home) -> None:
    name = home.configure(f"description: x\nip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///y.sqlite")
    done = home.vserver("shell", "-n", name, "--user", "--command", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not running (stopped)" in done.stderr
    assert f"Start it first: `vserver start --name {name} -e dev --user`." in done.stderr


def test_the_environment_that_is_asked_for_is_the_one_that_is_opened(home: Home, server: Server) -> None:
    """The older server opened `prod` whatever was asked."""
    file = home.folder / "config" / "dataquality" / "server" / f"{server.name}.yaml"
    text = file.read_text()
    file.write_text(f"{text}  prod:\n    description: y\n    ip: 127.0.0.1\n    port: {free_port()}\n")
    try:
        there = server.shell("-e", "dev", "--command", "db.Organization.get(1).name")
        assert (there.returncode, there.stdout) == (0, "'root'\n")
        other = server.shell("-e", "prod", "--command", "db.Organization.get(1).name")
        assert other.returncode == 1
        assert f"dataquality-{server.name}-prod-user is not running" in other.stderr
    finally:
        file.write_text(text)


def test_a_prompt_whose_output_goes_elsewhere_is_refused(server: Server) -> None:
    output = server.home.folder / "output"
    with at_terminal(server.home, *server.words, output=output) as terminal:
        assert terminal.end() == 4
        assert "a prompt needs a terminal, and the output goes elsewhere" in terminal.screen


def test_the_help_has_examples(home: Home) -> None:
    done = home.vserver("shell", "--help")
    assert done.returncode == 0
    assert "vserver shell --name hospital --command" in done.stdout
