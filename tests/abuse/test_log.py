"""The log under fire: what strangers send must neither hold a service up nor drive out what was written before."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from websockets.sync.client import connect

from support.abuse.honest import honest_user_beside
from support.abuse.stack import ATTACKER, AttackedStack
from support.local import wait_for
from support.services import unique

_AT_ONCE = 8


def refused(stack: AttackedStack, path: str) -> int:
    """The status of an anonymous request by an attacker."""
    with stack.client(source=ATTACKER) as http:
        return http.get(path).status_code


@pytest.mark.parametrize("word", ["otp", "token_", "1"])
def test_long_paths_made_for_the_log_hold_nobody_up(stack: AttackedStack, word: str) -> None:
    path = "/user/" + (word * 16_000)[:16_000]
    with honest_user_beside(stack), ThreadPoolExecutor(_AT_ONCE) as pool:
        statuses = list(pool.map(partial(refused, stack), [path] * _AT_ONCE))
    assert set(statuses) == {404}


def logged(stack: AttackedStack) -> str:
    """All lines of the log that the services share, the old files' first."""
    [file] = stack.home.folder.rglob(f"{stack.name}-dev-user.log")
    files = sorted(file.parent.glob(f"{file.name}.*[0-9]"), key=lambda old: -int(old.suffix[1:]))
    return "".join(one.read_text(errors="replace") for one in [*files, file])


def test_a_flood_of_anonymous_requests_is_counted_and_drives_nothing_out(stack: AttackedStack) -> None:
    with stack.client(stack.root) as http:
        http.get("/task/1234567")
    before = logged(stack)
    assert "path=/api/task/1234567 " in before
    paths = [f"/{what}/{'%01' * 5_000}" for what in ("user", "node", "task")] * 150
    with honest_user_beside(stack), ThreadPoolExecutor(_AT_ONCE) as pool, stack.client(source=ATTACKER) as http:
        statuses = [reply.status_code for reply in pool.map(http.get, paths)]
    assert set(statuses) == {404}
    wait_for(lambda: written_and_counted(logged(stack)) >= written_and_counted(before) + len(paths), 40)
    after = logged(stack)
    assert after.startswith(before), "what was written before is still there"
    assert max(len(line) for line in after.splitlines()) < 1_000
    assert f"most_from={ATTACKER}" in after
    tasks = [line for line in after[len(before) :].splitlines() if "method=POST" in line and "path=/api/task " in line]
    assert len(tasks) >= 2, "the honest user's lines stay"


def written_and_counted(log: str) -> int:
    """How many anonymous requests the log holds: by a line of their own, and counted."""
    lines = sum(r"\x01\x01" in line for line in log.splitlines())
    return lines + sum(int(count) for count in re.findall(r"counted, not written .*\bcount=(\d+)", log))


def test_nothing_of_a_sockets_query_string_is_in_any_log(stack: AttackedStack) -> None:
    secret = unique("hush")
    host = f"127.0.0.1:{stack.port}/socket.io/?EIO=4"
    with stack.client(source=ATTACKER) as http:
        for query in (f"transport=polling&ticket={secret}", f"transport=polling&sid={secret}", f"transport={secret}"):
            http.get(f"http://{host}&{query}")
        http.post(f"http://{host}&transport=polling&sid={secret}", content="40")
    with connect(f"ws://{host}&transport=websocket&ticket={secret}") as socket:
        assert str(socket.recv()).startswith("0")
    time.sleep(1)
    logs = {path.name: path.read_text(errors="replace") for path in stack.home.folder.rglob("*.log*")}
    assert any("component=dispatch" in text for text in logs.values())
    assert [name for name, text in logs.items() if secret in text] == []


def test_warnings_about_strangers_connections_are_few(stack: AttackedStack) -> None:
    before = logged(stack)
    upgrade = {"Connection": "Upgrade", "Upgrade": "nonsense"}
    with stack.client(source=ATTACKER) as http:
        for _ in range(100):
            assert http.get("/version", headers=upgrade).status_code == 200
    time.sleep(1)
    assert 0 < logged(stack)[len(before) :].count("Unsupported upgrade request") <= 40
