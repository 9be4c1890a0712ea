"""Requests that arrive as slowly as the test wants, over plain sockets."""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from support.abuse.stack import ATTACKER

MIB = 1 << 20


@dataclass
class SlowRequest:
    """One connection on which a request has begun."""

    port: int
    source: str = ATTACKER
    _socket: socket.socket = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port), 10, source_address=(self.source, 0))

    def send(self, text: str | bytes) -> bool:
        """Send these bytes; False where the connection is closed."""
        try:
            self._socket.sendall(text.encode() if isinstance(text, str) else text)
        except OSError:
            return False
        return True

    def begin(self, method: str, path: str, length: int, token: str | None = None) -> bool:
        """Send the head of a request with a body of so many bytes."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
        lines += [f"Content-Length: {length}", *([f"Authorization: Bearer {token}"] if token else [])]
        return self.send("\r\n".join([*lines, "", ""]))

    def status(self, seconds: float) -> int | None:
        """The status of the answer that comes within the time, 0 where the connection ends without one; else None."""
        self._socket.settimeout(seconds)
        try:
            head = self._socket.recv(65536)
        except TimeoutError:
            return None
        except OSError:
            return 0
        return int(head.split(b" ", 2)[1]) if head else 0

    def drip(self, seconds: float, pause: float = 0.2) -> int | None:
        """Send one byte after the other until the answer comes; its status as `status` gives it.

        A gateway that waits for the next bytes of a body passes an early answer on only after them.
        """
        ended = time.monotonic() + seconds
        while time.monotonic() < ended:
            self.send(b" ")
            if (status := self.status(pause)) is not None:
                return status
        return None

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def close_all(requests: Sequence[SlowRequest]) -> None:
    """Close their connections."""
    for request in requests:
        request.close()
