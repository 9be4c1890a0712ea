"""Runs jobs: `python -m dataquality.dispatch.worker`, with $DATAQUALITY_WORKERS processes."""

import sys

import structlog

from dataquality.core.logs import set_up_logging
from dataquality.core.open_files import raise_open_files
from dataquality.core.settings import settings_from_environment
from dataquality.core.watchdog import end_process
from dataquality.dispatch.celery import SEND_ERRORS, JobQueue, kill_pool, quiet_libraries
from dataquality.dispatch.health import serve_health
from dataquality.dispatch.jobs import Jobs
from dataquality.dispatch.names import CANARY, DRAIN_OUTBOX
from dataquality.dispatch.silence import watch_worker

log = structlog.stdlib.get_logger(__name__)


def main() -> int:
    """Work until SIGTERM; the exit code."""
    settings = settings_from_environment()
    quiet_libraries()
    set_up_logging(settings)
    raise_open_files()
    # Waiting for jobs is what a worker does: its own connection has no time-out, but is checked.
    queue = JobQueue(settings.redis_url, socket_timeout=None)
    Jobs(settings).register(queue)
    greeter = JobQueue(settings.redis_url)

    def ready() -> None:
        # After the pool's processes are made, which would share the thread's sockets.
        serve_health(settings)
        _greet(greeter)
        watch_worker(settings, greeter, _end)

    return queue.work(settings.workers, on_ready=ready)


def _end() -> None:
    # Left alone, processes that hang would outlive their parent.
    kill_pool()
    end_process()


def _greet(queue: JobQueue) -> None:
    log.info("takes jobs")
    try:
        # The first canary makes us healthy at once; the first sweep finds what waited for us.
        queue.send(CANARY, expires=60)
        queue.send(DRAIN_OUTBOX, expires=60)
    except SEND_ERRORS as error:
        log.warning("the first jobs could not be sent; beat will do", error=type(error).__name__)


if __name__ == "__main__":
    sys.exit(main())
