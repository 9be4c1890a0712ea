"""Other accounts of the machine, under the local driver: the services behind the gateway are not theirs to reach."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from support.abuse.honest import honest_user_beside
from support.abuse.stack import AttackedStack
from support.processes import as_account

_PROGRAM = """
import http.client, json, socket, sys
def over(connection):
    try:
        connection.request("GET", "/internal/live")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
def unix(path):
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(path)
    except OSError as error:
        return type(error).__name__
    return over(connection)
ports, paths = json.loads(sys.argv[1])
print(json.dumps([
    [over(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) for port in ports], [unix(path) for path in paths]
]))
"""
_OTHER = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")


def processes(stack: AttackedStack) -> list[psutil.Process]:
    """Every process of the stack's components."""
    parents = [psutil.Process(pid) for pid in stack.pids().values() if pid]
    return [*parents, *(child for parent in parents for child in parent.children(recursive=True))]


def listening(stack: AttackedStack) -> tuple[list[int], list[str]]:
    """The ports and the Unix sockets on which components listen, the gateway's own port left out."""
    found = [connection for process in processes(stack) for connection in process.net_connections("all")]
    ports = {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}
    paths = {one.laddr for one in found if isinstance(one.laddr, str) and one.laddr.startswith("/") and not one.raddr}
    return sorted(ports - {stack.port}), sorted(paths)


def asked_as_nobody(ports: list[int], paths: list[str]) -> tuple[list[str | int], list[str | int]]:
    """What GET /internal/live answers to another account: a status, or the name of an error."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps([ports, paths])],
        capture_output=True, text=True, check=True, cwd="/", **as_account(pwd.getpwnam("nobody")),
    )  # fmt: skip
    first, second = json.loads(done.stdout)
    return first, second


@_OTHER
def test_another_account_reaches_no_service_behind_the_gateway(stack: AttackedStack) -> None:
    ports, paths = listening(stack)
    with honest_user_beside(stack):
        by_port, by_path = asked_as_nobody(ports, paths)
    # What still listens on a port, the database and Redis, asks for its password and speaks no HTTP.
    assert not [answer for answer in by_port if isinstance(answer, int)]
    assert len(paths) >= 5
    assert set(by_path) == {"PermissionError"}


def test_no_process_of_a_stack_can_gain_rights(stack: AttackedStack) -> None:
    for process in processes(stack):
        assert "NoNewPrivs:\t1" in Path(f"/proc/{process.pid}/status").read_text(), process.cmdline()


def test_every_process_of_a_stack_has_a_limit_to_its_memory(stack: AttackedStack) -> None:
    for process in processes(stack):
        [limit] = [
            line.split()[3]
            for line in Path(f"/proc/{process.pid}/limits").read_text().splitlines()
            if line.startswith("Max data size")
        ]
        assert limit != "unlimited", process.cmdline()
