"""Lines for people while the import works."""

import time
from collections.abc import Callable

_SECONDS = 1.0
_EVERY = 100


class Progress:
    """Says `users 40/120`: at each hundredth, once a second, and at the end of each kind."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said_at = time.monotonic()

    def step(self, kind: str, done: int, total: int) -> None:
        """So many of a kind are done."""
        now = time.monotonic()
        if done == total or done % _EVERY == 0 or now - self._said_at >= _SECONDS:
            self._said_at = now
            self._say(f"{kind} {done}/{total}")

    def note(self, text: str) -> None:
        """Something to know."""
        self._say(text)
