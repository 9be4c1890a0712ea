"""Sends jobs by the clock: `python -m dataquality.dispatch.beat`. Keeps nothing: it may run on a read-only disk."""

import signal
import sys
from typing import Any

import structlog
from redis.exceptions import RedisError

from dataquality.core.logs import set_up_logging
from dataquality.core.open_files import raise_open_files
from dataquality.core.settings import settings_from_environment
from dataquality.dispatch.celery import JobQueue, quiet_libraries
from dataquality.dispatch.health import serve_health
from dataquality.dispatch.jobs import sing
from dataquality.dispatch.names import (
    CANARY,
    CLEAN_MAIL,
    CLEAN_OUTBOX,
    DRAIN_OUTBOX,
    FORGET_ANSWERS,
    REDELIVER,
    SEND_MAIL,
    SWEEP,
)
from dataquality.dispatch.redis_sync import connect_redis_sync
from dataquality.dispatch.silence import watch_beat

log = structlog.stdlib.get_logger(__name__)
SCHEDULE = {
    DRAIN_OUTBOX: 2.0,
    CANARY: 10.0,
    CLEAN_OUTBOX: 600.0,
    CLEAN_MAIL: 60.0,
    REDELIVER: 15.0,
    SWEEP: 10.0,
    FORGET_ANSWERS: 600.0,
}
"""Jobs, and every how many seconds they are sent."""
MAIL_SCHEDULE = {SEND_MAIL: 5.0}
"""The same, where there is a mail server."""


def main() -> int:
    """Send jobs until SIGTERM; the exit code."""
    settings = settings_from_environment()
    quiet_libraries()
    set_up_logging(settings)
    raise_open_files()
    schedule = SCHEDULE | (MAIL_SCHEDULE if settings.smtp else {})
    note = _Noting(connect_redis_sync(settings.redis_url))
    beat = JobQueue(settings.redis_url).beat(schedule, note)

    def stop(_signal: int, _frame: object) -> None:
        beat.stop()

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, stop)
    serve_health(settings)
    watch_beat(settings, lambda: note.sent)
    log.info("sends jobs")
    beat.run()
    return 0


class _Noting:
    """Counts the jobs that are sent, and notes each canary where the health check finds it."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self.sent = 0

    def __call__(self, job: str) -> None:
        self.sent += 1
        if job != CANARY:
            return
        try:
            sing(self._redis, "beat")
        except RedisError as error:
            log.warning("the canary could not be noted", error=type(error).__name__)


if __name__ == "__main__":
    sys.exit(main())
