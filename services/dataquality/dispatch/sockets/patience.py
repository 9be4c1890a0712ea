"""Work on the database that waits for it when it is away."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

log = structlog.stdlib.get_logger(__name__)
_RETRY_SECONDS = 1


async def once_it_answers(work: Callable[[], Awaitable[None]], trouble: str) -> None:
    """Do it, again and again until it succeeds. `trouble` is logged once: what cannot be done meanwhile."""
    was_away = False
    while True:
        try:
            return await work()
        except (SQLAlchemyError, OSError) as error:
            if not was_away:
                log.warning(trouble, error=type(error).__name__)
            was_away = True
            await asyncio.sleep(_RETRY_SECONDS)
