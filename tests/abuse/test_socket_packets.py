"""What a client may send over a socket: text packets of the contract, and little before it has signed in."""

import base64
import json
from collections.abc import Iterator

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from support.abuse.honest import honest_user_beside
from support.abuse.sockets import is_closed, joined, node_token, polling, web_socket
from support.abuse.stack import AttackedStack

_MIB = 2**20
_ATTACHMENTS = '459999999999-/tasks,["ping",{"_placeholder":true,"num":0}]'
"""A packet that announces almost 10^10 binary attachments."""


class Memory:
    """How much more memory dispatch uses than before."""

    def __init__(self, stack: AttackedStack) -> None:
        self._process = psutil.Process(stack.pids()["dispatch"])
        self._before = self._used()

    def _used(self) -> int:
        return self._process.memory_info().rss

    @property
    def growth(self) -> int:
        return self._used() - self._before


@pytest.fixture
def memory(stack: AttackedStack) -> Iterator[Memory]:
    """Of dispatch, which must not keep what a stranger sends."""
    yield Memory(stack)


def tracebacks(stack: AttackedStack) -> int:
    """How many are in the log of dispatch."""
    logs = list(stack.home.folder.rglob("*dispatch*.log"))
    assert logs
    return sum(path.read_text().count("Traceback") for path in logs)


def sent_until_closed(connection: ClientConnection, message: str | bytes, limit: int) -> int:
    """How many bytes the server lets in before it ends the connection; at most about `limit`."""
    sent = 0
    try:
        while sent < limit:
            connection.send(message)
            sent += len(message)
    except ConnectionClosed:
        pass
    return sent


def test_binary_attachments_over_a_websocket_are_refused(stack: AttackedStack, memory: Memory) -> None:
    with honest_user_beside(stack), web_socket(stack) as connection:
        joined(connection)
        connection.send(_ATTACHMENTS)
        assert sent_until_closed(connection, b"\0" * 900_000, 150 * _MIB) < 50 * _MIB
        assert memory.growth < 64 * _MIB


def test_binary_attachments_over_polling_are_refused(stack: AttackedStack) -> None:
    attachment = "b" + base64.b64encode(b"\0" * 100_000).decode()
    with honest_user_beside(stack), polling(stack) as session:
        assert session.post("40/tasks,").status_code == 200
        answer = session.post(_ATTACHMENTS)
        assert answer.status_code == 400
        assert "binary" in answer.json()["msg"]
        for _ in range(5):
            assert session.post(attachment).status_code == 400


@pytest.mark.parametrize("packet", [_ATTACHMENTS, '461-/tasks,0["x"]', b"\0\0", "bAAAA", "4", "44/tasks,{}", "", "9"])
def test_packet_that_no_client_sends_ends_the_connection_of_a_node(stack: AttackedStack, packet: str | bytes) -> None:
    with web_socket(stack, node_token(stack)) as connection:
        joined(connection, answer="42/tasks,")
        connection.send(packet)
        assert is_closed(connection, 5)


def test_malformed_packet_ends_the_connection_and_leaves_no_traceback(stack: AttackedStack) -> None:
    before = tracebacks(stack)
    with honest_user_beside(stack), web_socket(stack) as connection:
        joined(connection)
        connection.send('42/tasks,["ping"')
        assert is_closed(connection, 5)
    assert tracebacks(stack) == before


def test_compression_of_messages_is_not_agreed_to(stack: AttackedStack) -> None:
    with web_socket(stack) as connection:
        assert connection.response is not None
        assert "Sec-WebSocket-Extensions" not in connection.response.headers


@pytest.mark.parametrize("message", ["3", "42/tasks," + json.dumps(["ping", "x" * 60_000])])
def test_stranger_sends_little_before_the_connection_ends(stack: AttackedStack, message: str) -> None:
    with honest_user_beside(stack), web_socket(stack) as connection:
        joined(connection)
        sent_until_closed(connection, message, 4 * _MIB)
        assert is_closed(connection, 5)


def test_stranger_sends_little_over_polling(stack: AttackedStack) -> None:
    with honest_user_beside(stack), polling(stack) as session:
        assert session.post("40/tasks,").status_code == 200
        answers = [session.post("42/tasks," + json.dumps(["ping", "x" * 10_000])) for _ in range(5)]
        assert answers[0].status_code == 200
        assert answers[-1].status_code == 400


def test_stranger_cannot_flood_with_control_frames(stack: AttackedStack, memory: Memory) -> None:
    with honest_user_beside(stack), web_socket(stack) as connection:
        joined(connection)
        with pytest.raises(ConnectionClosed):
            for _ in range(200_000):
                connection.ping()
        assert memory.growth < 64 * _MIB


def test_node_sends_more_than_a_stranger_may(stack: AttackedStack) -> None:
    with web_socket(stack, node_token(stack)) as connection:
        joined(connection, answer="42/tasks,")
        for _ in range(30):
            connection.send("42/tasks," + json.dumps(["ping", "x" * 10_000]))
        connection.send('42/tasks,7["ping"]')
        while connection.recv(30) != "43/tasks,7[]":
            pass
