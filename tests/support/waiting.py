"""Waiting for what comes about by itself."""

import time
from collections.abc import Callable

SECONDS = 60


def eventually(holds: Callable[[], object]) -> None:
    """Return once it holds. Raises AssertionError when it does not within a minute."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come about within a minute"
        time.sleep(0.1)
