"""Attack: sign in with the password that every server begins with, where real people's data may be."""

import json
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx
import pytest

from support.abuse.honest import honest_user_beside
from support.abuse.stack import PASSWORD, AttackedStack, Study
from support.accounts import throw_away_account
from support.local import new_home, words_below
from support.processes import free_port
from support.terminal import ENTER, at_terminal

NEW = "Another-2-word"
KEY = "123e4567-e89b-12d3-a456-426614174001"
LEAST_SECONDS = 0.1
"""That a refusal takes, whatever was found."""
FILE = f"""\
organizations:
  - name: honest
    users:
      - {{username: anna, password: {PASSWORD}}}
collaborations:
  - name: study
    encrypted: false
    participants:
      - {{name: honest, api_key: {KEY}}}
"""


@pytest.fixture(scope="module")
def strict() -> Iterator[AttackedStack]:
    """A stack of type prod as it is after its first start. Its tests follow one another."""
    with throw_away_account() as account, new_home(account) as home:
        name = home.configure(f"ip: 127.0.0.1\nport: {free_port()}\nuri: sqlite:///x.sqlite", environment="prod")
        done = home.vserver("start", "-n", name, "--user", "--driver", "local")
        assert done.returncode == 0, done.stderr
        stack = AttackedStack(home, name, {"said": done.stdout})
        stack.started |= stack.vserver("status")
        yield stack


def set_password(stack: AttackedStack, *options: str, username: str = "root") -> tuple[int, str]:
    done = stack.home.vserver("user", "set-password", username, "-n", stack.name, "--user", *options)
    return done.returncode, done.stdout + done.stderr


def password_file(stack: AttackedStack, password: str) -> str:
    file = stack.home.folder / "password"
    file.write_text(f"{password}\n")
    file.chmod(0o600)
    stack.home.give()
    return str(file)


def imported_study(stack: AttackedStack) -> Study:
    """An honest researcher of a server that nobody has signed in to yet."""
    file = stack.home.folder / "file.yaml"
    file.write_text(FILE)
    stack.vserver("import", str(file))
    with stack.client(stack.sign_in("anna")["access_token"]) as http:
        found = {name: http.get(f"/{name}").json() for name in ("organization", "collaboration", "node")}
    organization = next(one["id"] for one in found["organization"] if one["name"] == "honest")
    return Study("anna", organization, found["collaboration"][0]["id"], found["node"][0]["id"], KEY)


def sign_in(stack: AttackedStack, username: str, password: str) -> tuple[httpx.Response, float]:
    with stack.client(source="127.0.0.66") as http:
        started = time.monotonic()
        answer = http.post("/token/user", json={"username": username, "password": password})
        return answer, time.monotonic() - started


def test_start_names_the_command_that_sets_the_first_password(strict: AttackedStack) -> None:
    said = strict.started["said"]
    assert "In prod the first user, root, cannot sign in before you set its password." in said
    assert f"Next:\n  vserver user set-password root --name {strict.name} -e prod --user\n" in said
    assert "password root." not in said


def test_first_password_is_refused_as_any_wrong_one_is(strict: AttackedStack) -> None:
    with honest_user_beside(strict, imported_study(strict)):
        answers = [sign_in(strict, *who) for who in (("root", "root"), ("root", "wrong"), ("nobody", "root")) * 2]
    assert {answer.status_code for answer, _ in answers} == {401}
    assert len({answer.text for answer, _ in answers}) == 1
    assert len({tuple(sorted(answer.headers)) for answer, _ in answers}) == 1
    assert min(seconds for _, seconds in answers) >= LEAST_SECONDS


def test_command_asks_nothing_without_a_terminal(strict: AttackedStack) -> None:
    code, said = set_password(strict)
    assert code == 4
    assert "hint: Add `--password-file FILE`" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("short", "the password of root was not set: The password must have at least 8 characters."),
        ("P@ssw0rd", "must not be one of the 10,000 most common passwords"),
        ("A-Root-2-word", "must not contain the username"),
        ("", "is empty"),
        (f"{NEW}\n{NEW}", "holds more than one line"),
    ],
)
def test_command_refuses_what_the_policy_refuses(strict: AttackedStack, content: str, said: str) -> None:
    code, output = set_password(strict, "--password-file", password_file(strict, content))
    assert (code, said in output) == (4, True), output
    assert sign_in(strict, "root", content)[0].status_code != 200


def test_unknown_user_and_unreadable_file_are_errors_with_a_remedy(strict: AttackedStack) -> None:
    code, said = set_password(strict, "--password-file", password_file(strict, NEW), username="roott")
    assert (code, "There is no user with the username 'roott'." in said) == (4, True), said
    code, said = set_password(strict, "--password-file", "/nowhere")
    assert (code, "cannot be read: No such file" in said, "hint: " in said) == (4, True, True), said


def test_password_from_a_file_is_set_without_a_trace_and_signs_root_in(strict: AttackedStack) -> None:
    file = password_file(strict, NEW)
    with watched_words(strict) as seen:
        assert set_password(strict, "--password-file", file)[0] == 0
    assert any("dataquality.jobs.set_password" in word for word in seen)
    assert not any(NEW in word for word in seen)
    holding = [path for path in strict.home.folder.rglob("*") if path.is_file() and NEW.encode() in path.read_bytes()]
    assert [str(path) for path in holding] == [file]
    assert sign_in(strict, "root", "root")[0].status_code == 401
    answer, _ = sign_in(strict, "root", NEW)
    assert answer.status_code == 200
    with strict.client(answer.json()["access_token"]) as http:
        assert "root" in {user["username"] for user in http.get("/user").json()}


@contextmanager
def watched_words(stack: AttackedStack) -> Generator[set[str]]:
    """All words and environments of the instance's processes, looked at again and again."""
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.update(words_below(stack.home.folder))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_password_typed_at_the_terminal_is_not_shown_and_signs_root_in(strict: AttackedStack) -> None:
    with at_terminal(strict.home, "user", "set-password", "root", "-n", strict.name, "--user") as terminal:
        terminal.expect("New password of root")
        terminal.press("Third-3-word" + ENTER)
        terminal.expect("The same once more")
        terminal.press("Third-3-word" + ENTER)
        terminal.expect("The password of root is set.")
        assert terminal.end() == 0
        assert "Third-3-word" not in terminal.screen
    assert sign_in(strict, "root", "Third-3-word")[0].status_code == 200


def test_json_names_the_user_and_no_password(strict: AttackedStack) -> None:
    code, said = set_password(strict, "--json", "--password-file", password_file(strict, NEW))
    assert (code, json.loads(said.splitlines()[-1])["data"]) == (
        0,
        {"instance": f"dataquality-{strict.name}-prod-user", "username": "root"},
    )
