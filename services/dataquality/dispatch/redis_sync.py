"""Redis for jobs, which are synchronous."""

from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def connect_redis_sync(url: str) -> Any:
    """A client that answers or fails within seconds; a connection that broke while idle is made anew at once."""
    make = cast(Any, Redis.from_url)  # pyright: ignore[reportUnknownMemberType]
    return make(
        url,
        decode_responses=True,
        socket_connect_timeout=2,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=10,
    )
