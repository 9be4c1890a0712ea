"""Connections that have not signed in: they end after 20 s, and there is room for so many."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from support.abuse.honest import honest_user_beside
from support.abuse.sockets import is_closed, joined, node_token, polling, web_socket
from support.abuse.stack import ATTACKER, AttackedStack
from support.tokens import signed

_DEADLINE = 20
_SLACK = 10
_PER_ADDRESS, _IN_ALL, _PER_IDENTITY = 50, 500, 100
_SECRET = "jwt_secret_key"


def expired_token(stack: AttackedStack) -> str:
    key = next(stack.home.folder.rglob(_SECRET))
    past = datetime.now(UTC) - timedelta(hours=1)
    claims: dict[str, Any] = {"sub": stack.study.node, "client_type": "node", "type": "access", "jti": "x", "roles": []}
    return signed(claims | {"iat": past, "nbf": past, "exp": past, "fresh": False}, key.read_text())


def never_joins(connection: ClientConnection, _: str) -> None:
    connection.recv(30)


def joins_another_namespace(connection: ClientConnection, _: str) -> None:
    connection.recv(30)
    connection.send("40/admin,")


def joins_without_a_token(connection: ClientConnection, _: str) -> None:
    joined(connection)


def leaves_again(connection: ClientConnection, _: str) -> None:
    joined(connection, answer="42/tasks,")
    connection.send("41/tasks,")


_KINDS: dict[str, tuple[bool, Callable[[ClientConnection, str], None]]] = {
    "never joins": (False, never_joins),
    "never joins with a token": (True, never_joins),
    "joins another namespace": (False, joins_another_namespace),
    "joins without a token": (False, joins_without_a_token),
    "leaves again": (True, leaves_again),
}


def test_connection_that_does_not_sign_in_ends_after_20_seconds(stack: AttackedStack) -> None:
    token = node_token(stack)
    with honest_user_beside(stack), ExitStack() as opened:
        strangers: dict[str, ClientConnection] = {}
        for kind, (is_known, behaves) in _KINDS.items():
            strangers[kind] = opened.enter_context(web_socket(stack, token if is_known else None))
            behaves(strangers[kind], token)
        session = opened.enter_context(polling(stack))
        strangers["never upgrades"] = opened.enter_context(web_socket(stack, query=f"&sid={session.sid}"))
        node = opened.enter_context(web_socket(stack, token))
        joined(node, answer="42/tasks,")
        until = time.monotonic() + _DEADLINE + _SLACK
        with ThreadPoolExecutor(len(strangers) + 1) as threads:
            ends = {
                kind: threads.submit(is_closed, stranger, until - time.monotonic())
                for kind, stranger in strangers.items()
            }
            stays = threads.submit(is_closed, node, until - time.monotonic())
            assert [kind for kind, end in ends.items() if not end.result()] == []
            assert not stays.result()
        assert session.poll().status_code == 400


@contextmanager
def strangers_of(stack: AttackedStack, source: str, number: int) -> Generator[int]:
    """So many attempts at once to open a connection without a token, and how many of them are open for the block."""

    def attempt(_: int) -> int:
        try:
            opened.enter_context(web_socket(stack, source=source))
        except InvalidStatus as refused:
            assert refused.response.status_code == 429
            return 0
        return 1

    with ExitStack() as opened, ThreadPoolExecutor(20) as threads:
        yield sum(threads.map(attempt, range(number)))


def test_strangers_of_one_address_are_limited_and_nodes_at_it_are_not(stack: AttackedStack) -> None:
    token, expired = node_token(stack), expired_token(stack)
    with honest_user_beside(stack), strangers_of(stack, ATTACKER, 2 * _PER_ADDRESS) as number:
        assert number == _PER_ADDRESS
        with web_socket(stack, source="127.0.0.67") as other:
            joined(other)
        with web_socket(stack, token) as node:
            joined(node, answer="42/tasks,")
        with web_socket(stack, expired) as node:
            joined(node, answer='42/tasks,["expired_token"')


def test_strangers_of_all_addresses_are_limited_and_nodes_are_not(stack: AttackedStack) -> None:
    token, expired = node_token(stack), expired_token(stack)
    with honest_user_beside(stack), ExitStack() as opened:
        number, began = 0, time.monotonic()
        for last in range(100, 112):
            number += opened.enter_context(strangers_of(stack, f"127.0.0.{last}", _PER_ADDRESS))
        if time.monotonic() - began < _DEADLINE:  # later the first of them have ended
            assert number == _IN_ALL
        with web_socket(stack, token) as node:
            joined(node, answer="42/tasks,")
        with web_socket(stack, expired) as node:
            joined(node, answer='42/tasks,["expired_token"')


def test_connections_of_one_identity_are_limited(stack: AttackedStack) -> None:
    token = node_token(stack)
    with honest_user_beside(stack), ExitStack() as opened:
        with pytest.raises(InvalidStatus) as refused:
            for _ in range(_PER_IDENTITY + 1):
                opened.enter_context(web_socket(stack, token))
        assert refused.value.response.status_code == 429


def test_session_has_one_poll_at_a_time(stack: AttackedStack) -> None:
    with polling(stack) as session, ThreadPoolExecutor(4) as threads:
        polls = [threads.submit(session.poll) for _ in range(4)]
        time.sleep(2)
        session.post("40/tasks,")  # its answer ends the poll that waits
        assert sorted(poll.result().status_code for poll in polls)[-3:] == [400, 400, 400]
