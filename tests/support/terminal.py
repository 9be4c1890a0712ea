"""A terminal with somebody at it: programs run in a real pseudo-terminal, their screen is read, keys are pressed."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from support.local import Home
from support.processes import as_account

SECONDS = 60
ENTER = "\r"
DOWN = "\x1b[B"
CTRL_C = "\x03"
CTRL_D = "\x04"
CLEAR = "\x15"
"""Removes what stands on the line."""

_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[=>78])")
_WHERE = b"\x1b[6n"


class Terminal:
    """One program at a terminal of 200 columns. `screen` is all it has written there, without colours and moves."""

    def __init__(
        self, words: Sequence[str], home: Home, output: int | None = None, groups: Sequence[int] = (), **more: str
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        variables = {name: value for name, value in home.variables.items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            words, stdin=theirs, stdout=theirs if output is None else output, stderr=theirs, cwd="/",
            env=variables | {"TERM": "xterm"} | more, preexec_fn=_own_terminal, **as_account(home.account, *groups),
        )  # fmt: skip
        os.close(theirs)
        self._is_open = True
        self.raw = b""
        self._read_up_to = 0

    @property
    def screen(self) -> str:
        """What was written, as text."""
        return _SEQUENCE.sub("", self.raw.decode("utf-8", "replace"))

    def expect(self, text: str, seconds: float = SECONDS) -> str:
        """Wait until it is written, behind what was expected before; what came up to there."""
        deadline = time.monotonic() + seconds
        while (found := self.screen.find(text, self._read_up_to)) < 0:
            assert self._is_open and time.monotonic() < deadline, f"{text!r} did not come. The screen:\n{self.screen}"
            self._read(0.2)
        start, self._read_up_to = self._read_up_to, found + len(text)
        return self.screen[start : self._read_up_to]

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def answer(self, question: str, keys: str = "") -> None:
        """Wait for a question and type the answer."""
        self.expect(question)
        self.press(keys + ENTER)

    def end(self, seconds: float = SECONDS) -> int:
        """Wait until the program has ended; its exit code."""
        deadline = time.monotonic() + seconds
        while self._is_open and self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end. The screen:\n{self.screen}"
            self._read(0.2)
        while self._is_open and self._read(0):
            pass
        return self.process.wait(seconds)

    def close(self) -> None:
        """Whatever happened, nothing is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if not ready:
            return False
        try:
            read = os.read(self._ours, 65_536)
        except OSError:  # the other side is closed
            read = b""
        self._is_open = bool(read)
        self.raw += read
        for _ in range(read.count(_WHERE)):
            os.write(self._ours, b"\x1b[1;1R")
        return bool(read)


def _own_terminal() -> None:
    """The terminal is the program's own, so that Ctrl-C reaches it as a signal."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def at_terminal(
    home: Home, *arguments: str, output: Path | None = None, groups: Sequence[int] = (), **more: str
) -> Generator[Terminal]:
    """`vserver ARGUMENTS` at a terminal; its standard output may go to a file instead. `groups`: more than its own."""
    with open(output, "wb") if output else contextlib.nullcontext() as file:
        terminal = Terminal(
            [sys.executable, "-m", "vserver", *arguments], home, file.fileno() if file else None, groups, **more
        )
    try:
        yield terminal
    finally:
        terminal.close()
