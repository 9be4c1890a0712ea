"""Waiting for what comes about by itself."""

import time
from collections.abc import Callable

SECONDS = 120
"""Longer than what the clock mends takes: a lease of a dead socket lasts 90."""


def eventually(holds: Callable[[], object]) -> None:
    """Return once it holds. Raises AssertionError when it does not within two minutes."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come about within two minutes"
        time.sleep(0.1)
