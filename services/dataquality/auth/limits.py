"""Limits on failed attempts to sign in, for each address and each account. Successes never count.

Whoever tries takes a place first, in one atomic step that counts the failures so far and the attempts under way: so no
more are checked at once than one after another. The window begins with the first failure. Without Redis there are no
limits: that costs hashes, while refusing would lock everybody out. How often that was so is counted, and each time is
in the log.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from dataquality.auth.places import Full, Limit, Places, Spent, SpentLimits
from dataquality.auth.waiting import WaitingRoom
from dataquality.core.addresses import Address, owner_of
from dataquality.core.errors import TooManyRequests
from dataquality.core.redis import RedisClient
from dataquality.core.settings import Settings

log = structlog.stdlib.get_logger(__name__)
_OFF = Counter("dataquality_limits_off", "Attempts that were not held to a limit because Redis did not answer")
_REFUSED = Counter("dataquality_limits_refused", "Attempts that were refused after too many failures", ["by"])
_PATIENCE = 5.0
"""Seconds that an attempt waits for others of the same address or account that are under way."""
_CALLS = 8
"""Calls to Redis at once. In a flood all others wait here: with a connection each, they would run into its time-out,
and so past the limits."""


@dataclass(frozen=True)
class Attempt:
    """Who tries, from where. `account` is a username, whether there is such a user or not; None for nodes.

    What is of another `kind` is counted by itself.
    """

    address: Address | None
    account: str | None = None
    kind: str = "failures"


@dataclass
class Place:
    """An attempt under way. Set `failed` where it was wrong: only then it counts."""

    failed: bool = False


class FailureLimits:
    """Refuses those who failed too often of late."""

    def __init__(self, redis: RedisClient, settings: Settings) -> None:
        self._places = Places(redis, settings.failure_window_seconds)
        self._settings = settings
        self._waiting = WaitingRoom()
        self._spent = SpentLimits()
        self._calls = asyncio.Semaphore(_CALLS)

    @asynccontextmanager
    async def place(self, attempt: Attempt) -> AsyncGenerator[Place]:
        """Hold a place while the attempt is checked. Raises TooManyRequests where there were too many failures.

        An attempt that is cancelled counts as a failure: nobody gets further guesses by hanging up.
        """
        name, limits, place = secrets.token_hex(8), self._limits(attempt), Place()
        await self._take(name, limits)
        try:
            yield place
        except asyncio.CancelledError:
            place.failed = True
            raise
        finally:
            await asyncio.shield(self._settle(name, limits, attempt, place))

    async def _take(self, name: str, limits: list[Limit]) -> None:
        taken = await self._try(name, limits)
        if isinstance(taken, Full):
            taken = await self._wait(name, limits, taken)
        match taken:
            case Spent(limit, seconds):
                self._waiting.wake_all(limits[limit].key)
                _REFUSED.labels(limits[limit].by).inc()
                raise _too_many(seconds)
            case Full():
                raise _busy()
            case None:
                return

    async def _wait(self, name: str, limits: list[Limit], full: Full) -> Spent | Full | None:
        """Try again until others have ended."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and await self._waiting.turn(limits[full.limit].key):
            taken = await self._try(name, limits)
            if not isinstance(taken, Full):
                return taken
            full = taken
        return full

    async def _try(self, name: str, limits: list[Limit]) -> Spent | Full | None:
        try:
            async with self._calls:
                # Here and not before: while this one waited for the call, another may have learned that it is spent.
                return self._spent.find(limits) or self._spent.note(limits, await self._places.take(name, limits))
        except RedisError as error:
            _warn_off(error)
            return None

    async def _settle(self, name: str, limits: list[Limit], attempt: Attempt, place: Place) -> None:
        try:
            async with self._calls:
                counts = await self._places.leave(name, limits, failed=place.failed)
        except RedisError as error:
            _warn_off(error)
            return
        finally:
            for limit in limits:
                self._waiting.wake_next(limit.key)
        for limit, count in zip(limits, counts, strict=False):
            if count == limit.most:
                # One proxy in front of everybody that is not known as such would make all of them one address.
                hint = "an address of your own reverse proxy belongs into trusted_proxies"
                log.warning("too many failed sign-ins", by=limit.by, address=str(attempt.address), hint=hint)

    def _limits(self, attempt: Attempt) -> list[Limit]:
        limits: list[Limit] = []
        if attempt.address is not None:
            key = f"{attempt.kind}:address:{owner_of(attempt.address)}"
            limits.append(Limit("address", key, self._settings.failures_per_address))
        if attempt.account is not None:
            # A name may be any text of any length.
            name = hashlib.sha256(attempt.account.encode()).hexdigest()
            limits.append(Limit("account", f"{attempt.kind}:account:{name}", self._settings.failures_per_account))
        return limits


def _warn_off(error: RedisError) -> None:
    _OFF.inc()
    log.warning("failed sign-ins are not limited: Redis does not answer", error=type(error).__name__)


def _too_many(seconds: int) -> TooManyRequests:
    # One text for both limits: it must not tell whether there is such an account.
    return TooManyRequests(
        f"There were too many failed attempts from your address or for this account. Try again in {seconds} seconds.",
        retry_after=seconds,
    )


def _busy() -> TooManyRequests:
    return TooManyRequests(
        "Too many attempts from your address or for this account are under way. Try again in a few seconds.",
        retry_after=2,
    )
