"""The end of log files: their last lines, and what is added to them."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_BLOCK = 16_384
_AT_FIRST = 10
_PAUSE = 0.3


def last_lines(file: Path, count: int) -> list[str]:
    """The last lines of a file; none when there is no such file."""
    try:
        with file.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - _BLOCK))
            return log.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def follow(files: Mapping[str, Path], goes_on: Callable[[], bool]) -> Iterator[tuple[str, str]]:
    """Name and line of each file's end, and of all that is added while `goes_on` says so.

    Files may be rotated or missing.
    """
    followed = {name: _Followed(path) for name, path in files.items()}
    last_round = False
    while True:
        for name, log in followed.items():
            for line in log.new_lines():
                yield name, line
        if last_round:
            return
        time.sleep(_PAUSE)
        last_round = not goes_on()


class _Followed:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode, size = _identity(path)
        end = "\n".join(last_lines(path, _AT_FIRST)).encode()
        self._position = max(0, size - len(end) - 1)
        self._rest = b""

    def new_lines(self) -> list[str]:
        inode, size = _identity(self._path)
        if inode != self._inode or size < self._position:
            self._inode, self._position, self._rest = inode, 0, b""
        if size <= self._position:
            return []
        with self._path.open("rb") as log:
            log.seek(self._position)
            read = log.read()
        self._position += len(read)
        *whole, self._rest = (self._rest + read).split(b"\n")
        return [line.decode(errors="replace") for line in whole]


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_size
