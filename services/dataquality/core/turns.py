"""Turns per key: one identity has a few things going on at once, and the rest of its requests wait."""

import asyncio
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager

from dataquality.core.errors import TooManyRequests

_RETRY_SECONDS = 30


class Turns:
    """For each key `at_once` go on at once, and `most` go on or wait; first come, first served."""

    def __init__(self, at_once: int, most: int) -> None:
        self._at_once = at_once
        self._most = most
        self._keys: dict[Hashable, tuple[asyncio.Semaphore, list[None]]] = {}

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncGenerator[None]:
        """Wait for a turn, and have it until the block ends. Raises TooManyRequests where too many wait."""
        semaphore, inside = self._keys.setdefault(key, (asyncio.Semaphore(self._at_once), []))
        if len(inside) >= self._most:
            raise TooManyRequests(
                f"{self._most} requests of yours with a body are under way. Wait until some of them have ended.",
                _RETRY_SECONDS,
            )
        inside.append(None)
        try:
            async with semaphore:
                yield
        finally:
            inside.pop()
            if not inside:
                del self._keys[key]
