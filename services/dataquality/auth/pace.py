"""Answers that take a least time, so that it does not tell what was found."""

import asyncio
import time

# Longer than a check of a password with all that is written after it.
_LEAST_SECONDS = 0.1


async def wait_out(started: float) -> None:
    """Return when the least time since `started` (`time.monotonic`) is over."""
    await asyncio.sleep(started + _LEAST_SECONDS - time.monotonic())
