"""Redis, typed: the library's own signatures are only partly so."""

from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

RedisClient = Redis


def connect_redis(url: str) -> RedisClient:
    """A client that answers or fails within two seconds: its own retries would hang a request for half a minute."""
    make = cast(Any, Redis.from_url)  # pyright: ignore[reportUnknownMemberType]
    return make(
        url,
        decode_responses=True,
        socket_connect_timeout=2,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=15,
    )


async def ping(client: RedisClient) -> None:
    """Raise when Redis does not answer."""
    await cast(Any, client).ping()
