"""What tells that the worker, beat or the ear of a dispatch instance has fallen silent though all else answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any

from redis.exceptions import RedisError

from dataquality.core.database import create_autocommit_engine
from dataquality.core.settings import Settings
from dataquality.core.watchdog import Watchdog
from dataquality.dispatch.celery import SEND_ERRORS, JobQueue
from dataquality.dispatch.health import database_problem
from dataquality.dispatch.names import CANARY, CANARY_KEYS
from dataquality.dispatch.redis_sync import connect_redis_sync

SILENCE_SECONDS = 120.0
"""After so long the process is ended. Longer than jobs may take that stand before the canary."""
_TICK = 5.0
_OWN_CANARY_SECONDS = 30.0


def watch_worker(settings: Settings, queue: JobQueue, end: Callable[[], None]) -> None:
    """End the worker when no canary runs any more though the database and Redis answer."""
    redis = connect_redis_sync(settings.redis_url)
    engine = create_autocommit_engine(settings.database_url)

    def excused() -> bool:
        return redis_is_away(redis) or database_problem(engine) is not None

    Watchdog("the pool of processes", _Canary(redis, queue), SILENCE_SECONDS, excused, end, _TICK).start()


def watch_beat(settings: Settings, sent: Callable[[], int]) -> None:
    """End beat when it sends nothing any more though Redis answers; `sent` counts what it sent."""
    redis = connect_redis_sync(settings.redis_url)
    Watchdog("the clock", sent, SILENCE_SECONDS, partial(redis_is_away, redis), tick=_TICK).start()


def watch_ear(settings: Settings, heard: Callable[[], int]) -> Event:
    """End an instance that hears no events any more though Redis answers; until the event that is returned is set."""
    redis = connect_redis_sync(settings.redis_url)
    excused = partial(redis_is_away, redis)
    return Watchdog("the ear for events", heard, SILENCE_SECONDS, excused, tick=_TICK).start()


@dataclass
class _Canary:
    """When the canary last ran. Sends its own now and then: that beat is away is no fault of the worker."""

    redis: Any
    queue: JobQueue
    _last_sent: float = field(default=0.0)

    def __call__(self) -> object:
        if time.monotonic() - self._last_sent > _OWN_CANARY_SECONDS:
            self._send()
        try:
            return self.redis.get(CANARY_KEYS["worker"])
        except RedisError:
            return None

    def _send(self) -> None:
        try:
            self.queue.send(CANARY, expires=SILENCE_SECONDS)
            self._last_sent = time.monotonic()
        except SEND_ERRORS:
            return  # Redis is away, which excuses


def redis_is_away(redis: Any) -> bool:
    """Asks it."""
    try:
        redis.ping()
    except (RedisError, OSError):
        return True
    return False
