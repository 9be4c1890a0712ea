"""How a body is received: at a least rate, or within a time, and into how many bytes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from dataquality.core.errors import BadRequest, TooSlow

KIB = 1 << 10
MIB = 1 << 20
_BLOCK = MIB
Grow = Callable[[int], Awaitable[None]]
"""Waits for room for so many bytes more."""


@dataclass(frozen=True)
class LeastRate:
    """Every `seconds` at least so many KiB per second: a large body takes as long as it takes, if it keeps coming."""

    kib: int
    seconds: float

    @property
    def bytes(self) -> int:
        """Bytes of each window."""
        return int(self.kib * KIB * self.seconds)

    def too_slow(self) -> TooSlow:
        """The answer to a body that falls behind."""
        return TooSlow(
            f"The body arrived too slowly: it needs {self.kib} KiB per second, measured over {self.seconds:g} seconds. "
            "Send the request again over a faster or steadier line."
        )


async def read(receive: Any, most: int, rate: LeastRate, too_large: Callable[[], Exception], grow: Grow) -> "Blocks":
    """The body. Raises TooSlow, `too_large()`, and BadRequest when the client goes away. `grow` is asked beforehand."""
    blocks, held = Blocks(), 0
    async for chunk in _chunks(receive, rate):
        if blocks.size + len(chunk) > most:
            raise too_large()
        while blocks.size + len(chunk) > held:
            step = min(_BLOCK, most - held)
            await grow(step)
            held += step
        blocks.add(chunk)
    return blocks


async def _chunks(receive: Any, rate: LeastRate) -> AsyncGenerator[bytes]:
    """What comes, as it comes. Time in which the reader is busy elsewhere (waits for room) does not count."""
    loop = asyncio.get_running_loop()
    left, arrived = rate.seconds, 0
    while True:
        started = loop.time()
        try:
            async with asyncio.timeout(left):
                message = await receive()
        except TimeoutError as error:
            raise rate.too_slow() from error
        if message["type"] == "http.disconnect":
            raise BadRequest("The body broke off before its end.")
        left -= loop.time() - started
        arrived += len(message.get("body", b""))
        if arrived >= rate.bytes:
            left, arrived = rate.seconds, 0
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


class Blocks:
    """A body in pieces of about a mebibyte: many tiny chunks, each an object, would take twenty times their size."""

    def __init__(self) -> None:
        self.size = 0
        self._full: deque[bytes] = deque()
        self._last = bytearray()

    def add(self, chunk: bytes) -> None:
        """Append a chunk."""
        self.size += len(chunk)
        self._last += chunk
        if len(self._last) >= _BLOCK:
            self._full.append(bytes(self._last))
            self._last = bytearray()

    def pop(self) -> tuple[bytes, bool]:
        """The next piece, which is kept no longer, and whether more follow."""
        if self._full:
            return self._full.popleft(), bool(self._full or self._last)
        last, self._last = bytes(self._last), bytearray()
        return last, False
