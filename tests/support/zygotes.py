"""Processes with a real client, forked from one that has imported it already: see `client_zygote.py`."""

import atexit
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

_PROGRAM = Path(__file__).with_name("client_zygote.py")
_ID = struct.Struct("i")


class ClientProcess:
    """A process of its own that takes one order and tells lines until it ends."""

    def __init__(self, pid: int, conversation: socket.socket, order: str) -> None:
        self._pid = pid
        self._conversation = conversation
        conversation.sendall(order.encode())
        conversation.shutdown(socket.SHUT_WR)

    def lines(self) -> Iterator[str]:
        """All that it tells, as it tells it; ends with the process."""
        with self._conversation, self._conversation.makefile("r") as lines:
            yield from lines

    def read(self, seconds: float) -> str:
        """All that it told once it has ended. Raises TimeoutError when it takes longer."""
        deadline, parts = time.monotonic() + seconds, list[bytes]()
        while True:
            self._conversation.settimeout(max(deadline - time.monotonic(), 0.001))
            part = self._conversation.recv(1 << 16)
            if not part:
                self._conversation.close()
                return b"".join(parts).decode()
            parts.append(part)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        try:
            os.kill(self._pid, number)
        except ProcessLookupError:
            return


class Zygote:
    """One for each environment and choice of modules; ends with this process, however that ends."""

    def __init__(self, python: Path, environment: Mapping[str, str], *modules: str) -> None:
        self._orders, theirs = socket.socketpair()
        command = [str(python), str(_PROGRAM), *modules]
        with theirs:
            self._process = subprocess.Popen(command, env=environment, stdin=theirs.fileno(), start_new_session=True)
        atexit.register(self.end)

    def begin(self, order: str, words: IO[str]) -> ClientProcess:
        """A new process for this order; `words` takes what the client says."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._orders, [b"!"], [theirs.fileno(), words.fileno()])
            told = self._orders.recv(_ID.size, socket.MSG_WAITALL)
        assert told, f"{self._process.args} has ended"
        return ClientProcess(_ID.unpack(told)[0], ours, order)

    def end(self) -> None:
        """Kill it and what it forked."""
        self._orders.close()
        self._process.wait()
