"""A program at the operator's terminal with the rights of another account.

It gets a terminal of its own, and what is typed and shown is passed on: whoever holds root's own terminal could type
commands into it. Nothing here for Windows, where the local driver does not run.
"""

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vserver.account import Account

_CHUNK = 65536
_OWN_VARIABLES = ("TERM", "COLORTERM", "NO_COLOR")
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Console:
    """A program to be run at our terminal."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    account: Account | None
    """None: our own."""

    def run(self) -> int:
        """Pass on what is typed and shown until the program ends; its exit code."""
        ours, theirs = pty.openpty()
        try:
            _copy_size(ours)
            process = self._start(theirs)
            with _raw_terminal(), _following_size(ours):
                _pass_on(ours, process)
        finally:
            # Whoever still holds the other end is told that its terminal is gone.
            os.close(ours)
        return process.wait()

    def _start(self, terminal: int) -> "subprocess.Popen[bytes]":
        shown = {name: os.environ[name] for name in _OWN_VARIABLES if name in os.environ}
        who = self.account
        try:
            return subprocess.Popen(  # noqa: S603
                list(self.command),
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                cwd=self.folder,
                env={**self.environment, **shown},
                start_new_session=True,
                user=who.uid if who else None,
                group=who.gid if who else None,
                extra_groups=[who.gid] if who else None,
                preexec_fn=_take_terminal,
            )
        finally:
            os.close(terminal)


def _take_terminal() -> None:
    """Standard input becomes the terminal of this session: Ctrl-C is a signal there, and pagers work."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _pass_on(terminal: int, process: "subprocess.Popen[bytes]") -> None:
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    sources = [terminal, keyboard]
    while True:
        ready, _, _ = select.select(sources, [], [], _LOOK_SECONDS)
        if not ready and process.poll() is not None:
            return
        if terminal in ready:
            shown = _read(terminal)
            if not shown:
                return
            _write(screen, shown)
        if keyboard in ready:
            typed = _read(keyboard)
            if not typed:
                return
            _write(terminal, typed)


def _read(source: int) -> bytes:
    """Nothing when there is nobody at the other end any more (Linux says so by an error)."""
    try:
        return os.read(source, _CHUNK)
    except OSError:
        return b""


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


@contextmanager
def _raw_terminal() -> Generator[None]:
    """Every key goes through as it is; afterwards the terminal is as it was."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


@contextmanager
def _following_size(terminal: int) -> Generator[None]:
    def copy(*_: object) -> None:
        _copy_size(terminal)

    before = signal.signal(signal.SIGWINCH, copy)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _copy_size(terminal: int) -> None:
    with suppress(OSError):
        size = fcntl.ioctl(sys.stdin.fileno(), termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
