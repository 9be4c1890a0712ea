"""Who holds sockets, over all instances: a lease a socket in Redis, under its identity.

An old socket's end may come after a new one's beginning (a node that reconnects): only the last one's end counts.
"""

import time
from collections.abc import Iterable
from typing import Any, cast

import structlog
from redis.exceptions import RedisError

from dataquality.core.redis import RedisClient

log = structlog.stdlib.get_logger(__name__)
LEASE_SECONDS = 90
"""What an instance that died leaves behind lasts this long."""


def _key(identity: int) -> str:
    return f"dataquality:sockets:{identity}"


class Presence:
    """The sockets of each identity. Without Redis each instance knows of its own sockets only."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = cast(Any, redis)
        self._own: dict[str, int] = {}

    async def enter(self, sid: str, identity: int) -> None:
        """A socket of this instance begins."""
        self._own[sid] = identity
        await self._lease({sid: identity})

    async def leave(self, sid: str, identity: int) -> None:
        """A socket of this instance has ended."""
        self._own.pop(sid, None)
        try:
            await self._redis.zrem(_key(identity), sid)
        except (RedisError, OSError) as error:
            log.warning("presence unreachable", error=type(error).__name__)

    async def is_present(self, identity: int) -> bool:
        """True while the identity holds a socket anywhere."""
        if identity in self._own.values():
            return True
        try:
            return await self._redis.zcount(_key(identity), time.time(), "+inf") > 0
        except (RedisError, OSError) as error:
            log.warning("presence unreachable", error=type(error).__name__)
            return False

    async def renew(self) -> None:
        """Prolong the leases of this instance; also after a Redis that has forgotten all."""
        await self._lease(self._own)

    async def _lease(self, sockets: dict[str, int]) -> None:
        # Twice: after a restart of Redis the first attempt may take a connection that is dead.
        for _ in range(2):
            try:
                async with self._redis.pipeline(transaction=False) as commands:
                    _add_leases(commands, sockets.items())
                    await commands.execute()
                    return
            except (RedisError, OSError) as error:
                log.warning("presence unreachable", error=type(error).__name__)


def _add_leases(commands: Any, sockets: Iterable[tuple[str, int]]) -> None:
    now = time.time()
    for sid, identity in sockets:
        commands.zadd(_key(identity), {sid: now + LEASE_SECONDS})
        commands.zremrangebyscore(_key(identity), "-inf", now)
        commands.expire(_key(identity), LEASE_SECONDS)
