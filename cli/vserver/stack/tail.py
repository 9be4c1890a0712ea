"""The end of log files: their last lines, and what is added to them."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from vserver.stack.logs import LogsWanted, written_since

_BLOCK = 16_384
_PAUSE = 0.3
_LOOK = 2.0
"""Seconds between two looks at whether the stack goes on, which asks each of its parts."""


def last_lines(file: Path, count: int) -> list[str]:
    """The last lines of a file; none when there is no such file."""
    try:
        with file.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - _BLOCK))
            return log.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def follow(
    files: Mapping[str, Path], wanted: LogsWanted, goes_on: Callable[[], bool], look: float = _LOOK
) -> Iterator[tuple[str, str]]:
    """Name and line of each file's end as it is wanted, and of all that is added while `goes_on` says so.

    Files may be rotated (to `<file>.1` and so on) or missing; no line is lost by that.
    """
    with contextlib.ExitStack() as opened:
        followed = {name: opened.enter_context(contextlib.closing(_Followed(path))) for name, path in files.items()}
        for name, log in followed.items():
            for line in log.lines_before(wanted):
                yield name, line
        asked, last_round = time.monotonic(), False
        while True:
            for name, log in followed.items():
                for line in log.new_lines():
                    yield name, line
            if last_round:
                return
            time.sleep(_PAUSE)
            if time.monotonic() - asked >= look:
                asked, last_round = time.monotonic(), not goes_on()


class _Followed:
    """One log. It is kept open, so what is written to it before it is rotated is still read after that."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._file = self._open()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def lines_before(self, wanted: LogsWanted) -> list[str]:
        """What is there already, and is wanted. From here on only what is new is read."""
        here = self._read()
        lines = here if wanted.since is None else list(written_since(here, wanted.since))
        for number in range(1, 100):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if not older.exists() or _is_enough(lines, older, wanted):
                break
            found = older.read_bytes().decode(errors="replace").splitlines()
            lines = [*(found if wanted.since is None else written_since(found, wanted.since)), *lines]
        return lines if wanted.last is None else lines[len(lines) - min(wanted.last, len(lines)) :]

    def new_lines(self) -> list[str]:
        """What was added since."""
        lines = self._read()
        if self._is_replaced():
            lines += self._read()
            self.close()
            self._file = self._open()  # a line may go on there
            lines += self._read()
        return lines

    def _open(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None

    def _is_replaced(self) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True
        kept = os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (kept.st_dev, kept.st_ino) or now.st_size < self._file.tell()

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [line.decode(errors="replace") for line in whole]


def _is_enough(lines: list[str], older: Path, wanted: LogsWanted) -> bool:
    if wanted.since is not None:
        return older.stat().st_mtime < wanted.since.timestamp()
    return wanted.last is not None and len(lines) >= wanted.last
