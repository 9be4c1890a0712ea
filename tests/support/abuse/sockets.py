"""Engine.IO connections frame by frame, for tests that send what no client library sends."""

import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from support.abuse.stack import ATTACKER, AttackedStack

JOIN = "40/tasks,"
SECONDS = 30


@contextmanager
def web_socket(
    stack: AttackedStack, token: str | None = None, *, source: str = ATTACKER, query: str = ""
) -> Generator[ClientConnection]:
    """A WebSocket to `/socket.io/`, without the library's limits; Engine.IO's handshake is still to be received."""
    address = f"ws://127.0.0.1:{stack.port}/socket.io/?EIO=4&transport=websocket{query}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    line = socket.create_connection(("127.0.0.1", stack.port), timeout=SECONDS, source_address=(source, 0))
    with connect(
        address, sock=line, additional_headers=headers, max_size=None, ping_interval=None, open_timeout=SECONDS,
        close_timeout=1,
    ) as connection:  # fmt: skip
        yield connection


def node_token(stack: AttackedStack) -> str:
    """An access token of the study's node."""
    with stack.client() as http:
        return str(http.post("/token/node", json={"api_key": stack.study.api_key}).json()["access_token"])


def joined(connection: ClientConnection, answer: str = "40/tasks,") -> None:
    """Receive the handshake, join `/tasks` and wait for a packet that begins with this answer."""
    assert str(connection.recv(SECONDS)).startswith("0{")
    connection.send(JOIN)
    while not str(connection.recv(SECONDS)).startswith(answer):
        pass


def is_closed(connection: ClientConnection, seconds: float) -> bool:
    """Whether the server ends the connection within that time; pings are answered meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            if connection.recv(left) == "2":
                connection.send("3")
        except TimeoutError:
            break
        except ConnectionClosed:
            return True
    return False


class Polling:
    """An Engine.IO session over plain requests."""

    def __init__(self, http: httpx.Client, answer: dict[str, Any]) -> None:
        self.http = http
        self.sid = str(answer["sid"])

    def post(self, payload: str) -> httpx.Response:
        return self.http.post(_PATH, params=self._query, content=payload)

    def poll(self) -> httpx.Response:
        return self.http.get(_PATH, params=self._query)

    @property
    def _query(self) -> dict[str, str]:
        return _QUERY | {"sid": self.sid}


_PATH = "/socket.io/"
_QUERY = {"EIO": "4", "transport": "polling"}


@contextmanager
def polling(stack: AttackedStack, token: str | None = None, *, source: str = ATTACKER) -> Generator[Polling]:
    """A session that stays with long-polling."""
    with stack.client(token, source=source) as http:
        http.base_url = httpx.URL(f"http://127.0.0.1:{stack.port}")
        answer = http.get(_PATH, params=_QUERY)
        assert answer.status_code == 200, answer.text
        yield Polling(http, json.loads(answer.text[1:]))
