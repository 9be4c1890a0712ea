"""Bodies of requests without a valid token, while they arrive: small, soon complete, and few at once.

Nobody is refused because others wait. Where too many wait, the oldest is cut: an honest body arrives with its request,
one that has waited longest most likely never will.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from dataquality.core.errors import TooSlow


class PendingBodies:
    """So many bodies may be on their way at once, from one address and in all, each for so many seconds."""

    def __init__(self, seconds: float, most_per_address: int, most: int) -> None:
        self._seconds = seconds
        self._most_per_address = most_per_address
        self._most = most
        self._number = 0
        self._addresses: dict[str | None, dict[asyncio.Timeout, None]] = {}

    @asynccontextmanager
    async def one_of(self, address: str | None) -> AsyncGenerator[None]:
        """Receive one body in the block. Raises TooSlow when its time is over, or when it is cut for newer ones.

        Where callers cannot be told apart (None) only the number of all bodies counts.
        """
        try:
            async with asyncio.timeout(self._seconds) as limit:
                self._make_room_for(address)
                self._addresses.setdefault(address, {})[limit] = None
                self._number += 1
                try:
                    yield
                finally:
                    self._forget(address, limit)
        except TimeoutError as error:
            raise TooSlow(
                f"The body of a request without a valid token has to arrive within {self._seconds:g} seconds, and "
                "sooner while many others wait. Send the request again."
            ) from error

    def _make_room_for(self, address: str | None) -> None:
        if address is not None and len(self._addresses.get(address, ())) >= self._most_per_address:
            self._cut_oldest(address)
        elif self._number >= self._most:
            self._cut_oldest(max(self._addresses, key=lambda one: len(self._addresses[one])))

    def _cut_oldest(self, address: str | None) -> None:
        oldest = next(iter(self._addresses[address]))
        self._forget(address, oldest)
        oldest.reschedule(asyncio.get_running_loop().time())

    def _forget(self, address: str | None, limit: asyncio.Timeout) -> None:
        waiting = self._addresses.get(address, {})
        if limit in waiting:
            del waiting[limit]
            self._number -= 1
        if not waiting:
            self._addresses.pop(address, None)
