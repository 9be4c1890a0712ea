"""Runs one script with a real client, inside that client's own environment (Python 3.7 or later).

The order comes as JSON: the script, its arguments, and where the server is. What the script tells goes back, one line
of JSON each; the client's own words go to standard error. The client is unmodified; its HTTP conversation is only
listened to.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import traceback
from typing import Any, cast


def converse(conversation: int, words: int) -> None:
    """Take the order from the conversation, and tell there what comes of it; `words` becomes the standard output."""
    os.dup2(words, 1)
    os.dup2(words, 2)
    # On copies: the conversation ends when the process does, and not before.
    with os.fdopen(os.dup(conversation)) as said:
        order = json.load(said)
    told = os.fdopen(os.dup(conversation), "w")
    party = Party(order["host"], order["port"], told)
    party.listen()
    names: dict[str, Any] = {
        "host": party.host,
        "port": party.port,
        "tell": party.tell,
        "sign_in": party.sign_in,
        "sent": party.sent,
        "import_node": load,
    }
    names.update(order["arguments"])
    names["given"] = dict(names)
    try:
        exec(compile(order["script"], "script of the test", "exec"), names)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    party.tell({"answer": names.get("answer")})


def load(name: str) -> Any:
    """A module. The newer node's look for a Docker engine as they are imported; none is needed."""
    if name.startswith("vantage6.node"):
        docker: Any = importlib.import_module("docker")
        docker.from_env = _no_engine
    return importlib.import_module(name)


class Party:
    """What a script has at hand: `sign_in`, `tell`, and `sent`, the calls so far as [method, path, status]."""

    def __init__(self, host: str, port: int, told: Any) -> None:
        self.host = host
        self.port = port
        self.sent: list[list[Any]] = []
        self._told = told
        self._lock = threading.Lock()

    def tell(self, value: Any) -> None:
        """Tell the test something."""
        with self._lock:
            self._told.write(json.dumps(value, default=_plain) + "\n")
            self._told.flush()

    def sign_in(self, username: str, password: str, **more: Any) -> Any:
        """The client of a user, signed in, without encryption."""
        client = importlib.import_module("vantage6.client").UserClient(self.host, self.port, "/api")
        client.authenticate(username, password, **more)
        client.setup_encryption(None)
        return client

    def listen(self) -> None:
        """Hear every call of the client, and hold each reply of the server to what the contract says of all."""
        session = importlib.import_module("requests").Session
        send = session.send

        def heard(one: Any, request: Any, **arguments: Any) -> Any:
            response = send(one, request, **arguments)
            base = f"{self.host}:{self.port}"
            if request.url.startswith(base) and "/socket.io/" not in request.url:
                path = request.path_url.split("?")[0]
                self.sent.append([request.method, path, response.status_code])
                for flaw in _flaws(response):
                    self.tell({"flaw": f"{request.method} {path}: {flaw}"})
            return response

        session.send = heard


def _flaws(response: Any) -> list[str]:
    """What is wrong with a reply whatever it answers; see "Transport" and "Errors" of the contract."""
    headers = response.headers
    flaws = ["it has no " + name for name in ("Content-Length", "X-Request-Id") if name not in headers]
    flaws += ["it has " + name for name in ("Content-Encoding", "Transfer-Encoding") if name in headers]
    if headers.get("Access-Control-Allow-Origin") != "*":
        flaws.append("browsers may not read it")
    try:
        body: Any = response.json()
    except ValueError:
        return [*flaws, "it is not JSON"]
    if response.status_code > 210 and not (isinstance(body, dict) and isinstance(cast("Any", body).get("msg"), str)):
        flaws.append("it says no `msg`")
    if response.status_code >= 500 and response.status_code != 501:
        flaws.append(f"it is a fault ({response.status_code}): {body}")
    return flaws


def _no_engine(*_: Any) -> None:
    """In the place of what looks for a Docker engine."""


def _plain(value: Any) -> Any:
    """What JSON does not know: what clients decrypt is bytes."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
