"""Limits on failed attempts to sign in, for each address and each account. Successes never count.

They are counted in Redis, in windows that begin with the first failure. Without Redis there are no limits: that costs
hashes, while refusing would lock everybody out. How often that was so is counted, and each time is in the log.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, cast

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from dataquality.core.addresses import Address, owner_of
from dataquality.core.errors import TooManyRequests
from dataquality.core.redis import RedisClient
from dataquality.core.settings import Settings

log = structlog.stdlib.get_logger(__name__)
_OFF = Counter("dataquality_limits_off", "Attempts that were not held to a limit because Redis did not answer")
_REFUSED = Counter("dataquality_limits_refused", "Attempts that were refused after too many failures", ["by"])


@dataclass(frozen=True)
class Attempt:
    """Who tries, from where. `account` is a username, whether there is such a user or not; None for nodes.

    What is of another `kind` is counted by itself.
    """

    address: Address | None
    account: str | None = None
    kind: str = "failures"


@dataclass(frozen=True)
class _Limit:
    by: str
    key: str
    most: int


class FailureLimits:
    """Refuses those who failed too often of late."""

    def __init__(self, redis: RedisClient, settings: Settings) -> None:
        # The library's own signatures are only partly typed.
        self._redis: Any = cast(Any, redis)
        self._settings = settings

    async def require_below(self, attempt: Attempt) -> None:
        """Raise TooManyRequests where the address or the account has failed too often."""
        limits = self._limits(attempt)
        calls = [call for limit in limits for call in (("GET", limit.key), ("TTL", limit.key))]
        answers = await self._ask(calls)
        for limit, count, seconds in zip(limits, answers[::2], answers[1::2], strict=False):
            if count is not None and int(count) >= limit.most:
                _REFUSED.labels(limit.by).inc()
                raise _too_many(max(1, int(seconds)))

    async def count(self, attempt: Attempt) -> None:
        """Count a failure."""
        limits = self._limits(attempt)
        window = self._settings.failure_window_seconds
        # The first failure begins a window; in one transaction, so that no count is left without an end.
        calls = [call for limit in limits for call in (("SET", limit.key, 0, "EX", window, "NX"), ("INCR", limit.key))]
        answers = await self._ask(calls)
        for limit, count in zip(limits, answers[1::2], strict=False):
            if count == limit.most:
                # One proxy in front of everybody that is not known as such would make all of them one address.
                hint = "an address of your own reverse proxy belongs into trusted_proxies"
                log.warning("too many failed sign-ins", by=limit.by, address=str(attempt.address), hint=hint)

    async def _ask(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        """The answers to all calls, made at once; none without Redis."""
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                for call in calls:
                    pipeline.execute_command(*call)
                return await pipeline.execute()
        except RedisError as error:
            _OFF.inc()
            log.warning("failed sign-ins are not limited: Redis does not answer", error=type(error).__name__)
            return []

    def _limits(self, attempt: Attempt) -> list[_Limit]:
        limits: list[_Limit] = []
        if attempt.address is not None:
            key = f"{attempt.kind}:address:{owner_of(attempt.address)}"
            limits.append(_Limit("address", key, self._settings.failures_per_address))
        if attempt.account is not None:
            # A name may be any text of any length.
            name = hashlib.sha256(attempt.account.encode()).hexdigest()
            limits.append(_Limit("account", f"{attempt.kind}:account:{name}", self._settings.failures_per_account))
        return limits


def _too_many(seconds: int) -> TooManyRequests:
    # One text for both limits: it must not tell whether there is such an account.
    return TooManyRequests(
        f"There were too many failed attempts from your address or for this account. Try again in {seconds} seconds.",
        retry_after=seconds,
    )
