"""The atomic step of the limits: what failed and what is under way is counted and compared in one script of Redis."""

import math
import time
from dataclasses import dataclass
from typing import Any, cast

from dataquality.core.redis import RedisClient

MOST_AT_ONCE = 2
"""Attempts of one address, or on one account, that are checked at the same time: the others' wait is short so."""
_FORGOTTEN_SECONDS = 60
"""After this time an attempt whose process ended without a word holds its place no longer."""
_MOST_REMEMBERED = 10_000
_OPEN = "{}:open"

# KEYS: of each limit the counter of failures and the set of attempts under way (score: when it is forgotten).
# ARGV: the attempt, seconds until it is forgotten, the most attempts at once, and the most failures of each limit.
# Answers 0: the attempt is under way; or -n: limit n is full for the moment; or n and seconds: it is spent.
_TAKE = """
local now = tonumber(redis.call('TIME')[1])
local full = 0
for n = 1, #KEYS / 2 do
  local failures, open = KEYS[2 * n - 1], KEYS[2 * n]
  local left = tonumber(ARGV[3 + n]) - tonumber(redis.call('GET', failures) or '0')
  if left <= 0 then return {n, redis.call('TTL', failures)} end
  redis.call('ZREMRANGEBYSCORE', open, '-inf', now)
  if full == 0 and redis.call('ZCARD', open) >= math.min(left, tonumber(ARGV[3])) then full = n end
end
if full > 0 then return {-full, 0} end
for n = 1, #KEYS / 2 do
  redis.call('ZADD', KEYS[2 * n], now + tonumber(ARGV[2]), ARGV[1])
  redis.call('EXPIRE', KEYS[2 * n], ARGV[2])
end
return {0, 0}
"""


@dataclass(frozen=True)
class Limit:
    """At most so many failures under one key, within a window."""

    by: str
    key: str
    most: int


@dataclass(frozen=True)
class Spent:
    """There were too many failures for the limit of this index; the window ends after `seconds`."""

    limit: int
    seconds: int


@dataclass(frozen=True)
class Full:
    """For the limit of this index as many attempts are under way as may be."""

    limit: int


class SpentLimits:
    """The limits that were found spent, so that a flood of refused attempts asks Redis nothing."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def find(self, limits: list[Limit]) -> Spent | None:
        """A limit that is known to be spent still."""
        now = time.monotonic()
        for index, limit in enumerate(limits):
            if (until := self._until.get(limit.key, 0)) > now:
                return Spent(index, math.ceil(until - now))
        return None

    def note(self, limits: list[Limit], taken: Spent | Full | None) -> Spent | Full | None:
        """Remember what was answered, and return it."""
        if isinstance(taken, Spent):
            if len(self._until) >= _MOST_REMEMBERED:
                self._until.clear()
            self._until[limits[taken.limit].key] = time.monotonic() + taken.seconds
        return taken


class Places:
    """Counts failures and attempts under way in Redis. Raises RedisError where that does not answer."""

    def __init__(self, redis: RedisClient, window_seconds: int) -> None:
        # The library's own signatures are only partly typed.
        self._redis: Any = cast(Any, redis)
        self._take: Any = self._redis.register_script(_TAKE)
        self._window = window_seconds

    async def take(self, attempt: str, limits: list[Limit]) -> Spent | Full | None:
        """Begin an attempt where every limit allows it; else the limit that does not."""
        if not limits:
            return None
        keys = [key for limit in limits for key in (limit.key, _OPEN.format(limit.key))]
        most = [limit.most for limit in limits]
        found, seconds = await self._take(keys=keys, args=[attempt, _FORGOTTEN_SECONDS, MOST_AT_ONCE, *most])
        if found > 0:
            return Spent(found - 1, max(1, seconds))
        return Full(-found - 1) if found else None

    async def leave(self, attempt: str, limits: list[Limit], *, failed: bool) -> list[int]:
        """End an attempt; where it failed, count it, and the failures of each limit so far."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            for limit in limits:
                pipeline.zrem(_OPEN.format(limit.key), attempt)
            for limit in limits if failed else ():
                # The first failure begins a window; in one transaction, so that no count is left without an end.
                pipeline.set(limit.key, 0, ex=self._window, nx=True)
                pipeline.incr(limit.key)
            answers = await pipeline.execute()
        return answers[len(limits) + 1 :: 2]
