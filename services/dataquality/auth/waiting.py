"""Those who wait for a place on a limit, in the order in which they came."""

import asyncio
from collections import defaultdict, deque

_MOST = 50
"""That wait for one limit; whoever comes then is refused at once."""
_LONGEST_SECONDS = 0.5
"""After this time one's turn comes anyway: another process may have held the place."""
_Turn = asyncio.Future[None]


class WaitingRoom:
    """The queues of one process, by the limit's key."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, deque[_Turn]] = defaultdict(deque)

    async def turn(self, key: str) -> bool:
        """Wait for one's turn; False where too many wait already."""
        queue = self._queues[key]
        if len(queue) >= _MOST:
            return False
        turn: _Turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                await turn
        except TimeoutError:
            pass
        finally:
            self._forget(key, turn)
        return True

    def wake_next(self, key: str) -> None:
        """A place is free."""
        if turn := next((one for one in self._queues.get(key, ()) if not one.done()), None):
            turn.set_result(None)

    def wake_all(self, key: str) -> None:
        """There will be no further places."""
        for turn in self._queues.get(key, ()):
            if not turn.done():
                turn.set_result(None)

    def _forget(self, key: str, turn: _Turn) -> None:
        queue = self._queues[key]
        queue.remove(turn)
        if not queue:
            del self._queues[key]
