"""Celery, typed, with our settings: jobs on Redis, safe to run twice, without results.

Correctness never depends on a job that was sent: whatever is lost, the sweep finds in the database.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from billiard.process import active_children  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
from celery import Celery, signals  # pyright: ignore[reportMissingTypeStubs]
from celery.app.amqp import AMQP  # pyright: ignore[reportMissingTypeStubs]
from celery.beat import Scheduler, SchedulingError, Service  # pyright: ignore[reportMissingTypeStubs]
from celery.exceptions import SoftTimeLimitExceeded as JobTookTooLong  # pyright: ignore[reportMissingTypeStubs]
from kombu.connection import Connection  # pyright: ignore[reportMissingTypeStubs]
from kombu.exceptions import OperationalError  # pyright: ignore[reportMissingTypeStubs]
from kombu.transport import virtual  # pyright: ignore[reportMissingTypeStubs]
from kombu.transport.redis import Channel, QoS, Transport  # pyright: ignore[reportMissingTypeStubs]
from redis.exceptions import RedisError
from structlog.stdlib import get_logger

__all__ = ["SEND_ERRORS", "Beat", "JobQueue", "JobTookTooLong", "Schedule", "kill_pool", "quiet_libraries"]
log = get_logger(__name__)
_signals = cast(Any, signals)
SEND_ERRORS = (OperationalError, RedisError, OSError)
"""What `JobQueue.send` raises when the broker does not answer."""

_LONGEST_JOB_SECONDS = 60
# A job that was not acknowledged by then is given to another worker: well above the longest.
_VISIBILITY_SECONDS = 600
# Whoever waits for a job sends nothing, and would wait for two hours at a connection whose other end is gone without a
# word (the network was cut, and Redis came back at another address): asked after 3 s of silence, given up 4 s later.
_KEEPALIVE = {
    getattr(socket, name): seconds
    for name, seconds in {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 7000}.items()
    if hasattr(socket, name)
}
"""In seconds; the last in milliseconds. What an operating system does not know is left out."""
_QUIET = ("celery.worker.strategy", "celery.app.trace", "celery.beat", "kombu")

Schedule = Mapping[str, float]
"""Jobs, and every how many seconds they are sent."""


class _Unconfirmed(QoS):  # pyright: ignore[reportUntypedBaseClass]
    """Counts a job as done though Redis was away when that was to be confirmed: done it is, and it may run again.

    The library counts it as at work for ever. Once all processes of a worker had such a job it asked for none any
    more, and so never noticed that its connection was broken.
    """

    def ack(self, delivery_tag: Any) -> None:
        try:
            cast(Any, super()).ack(delivery_tag)
        except Exception:
            cast(Any, virtual.QoS).ack(self, delivery_tag)
            raise


class _Channel(Channel):  # pyright: ignore[reportUntypedBaseClass]
    QoS = _Unconfirmed


class _Transport(Transport):  # pyright: ignore[reportUntypedBaseClass]
    Channel = _Channel


class _PatientConnection(Connection):  # pyright: ignore[reportUntypedBaseClass]
    """Asks a broker that is away again every second; the library's own pause grows to half a minute. Speaks Redis."""

    def get_transport_cls(self) -> Any:
        return _Transport

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.update(interval_start=0.2, interval_step=0.2, interval_max=1)
        return cast(Any, super()).ensure_connection(*args, **kwargs)


class _Amqp(AMQP):  # pyright: ignore[reportUntypedBaseClass]
    Connection = _PatientConnection


class JobQueue:
    """The queue: sends jobs, runs them as a worker, or schedules them as beat. `redis_url` holds a password."""

    def __init__(self, redis_url: str, socket_timeout: float | None = 1.0) -> None:
        self._app: Any = Celery("dataquality", amqp=_Amqp, set_as_current=False)
        self._app.conf.update(
            broker_url=redis_url,
            broker_connection_retry_on_startup=True,
            broker_connection_max_retries=None,
            broker_connection_timeout=2,
            broker_transport_options={
                "visibility_timeout": _VISIBILITY_SECONDS,
                "socket_connect_timeout": 2,
                "socket_timeout": socket_timeout,
                "socket_keepalive": True,
                "socket_keepalive_options": _KEEPALIVE,
                "health_check_interval": 10,
            },
            task_default_queue="dataquality",
            task_ignore_result=True,
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            task_time_limit=_LONGEST_JOB_SECONDS,
            task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0},
            task_serializer="json",
            accept_content=["json"],
            worker_prefetch_multiplier=1,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
            worker_enable_remote_control=False,
            worker_send_task_events=False,
            worker_cancel_long_running_tasks_on_connection_loss=False,
            enable_utc=True,
        )

    def send(self, job: str, arguments: Mapping[str, Any] | None = None, expires: float | None = None) -> None:
        """Have a worker run the job, unless it waited for `expires` seconds. Raises SEND_ERRORS."""
        self._app.send_task(job, kwargs=dict(arguments or {}), expires=expires)

    def register(self, job: str, run: Callable[..., None], seconds: float | None = None) -> None:
        """What a worker does for this job, into which JobTookTooLong is raised after so many seconds."""
        self._app.task(run, name=job, soft_time_limit=seconds)

    def work(self, processes: int, on_ready: Callable[[], None]) -> int:
        """Run jobs until told to stop; the exit code. `on_ready` is called when the worker takes jobs."""

        def ready(**_: Any) -> None:
            on_ready()

        _signals.setup_logging.connect(_keep_logging, weak=False)
        _signals.worker_ready.connect(ready, weak=False)
        worker = self._app.Worker(
            hostname=f"worker-{os.getpid()}@{socket.gethostname()}",
            pool="prefork",
            concurrency=processes,
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        worker.start()
        return int(worker.exitcode or 0)

    def beat(self, schedule: Schedule, on_sent: Callable[[str], None]) -> "Beat":
        """What sends jobs by the clock: `on_sent` is told of each job sent."""
        self._app.conf.beat_schedule = {
            job: {"task": job, "schedule": seconds, "options": {"expires": max(seconds, 10)}}
            for job, seconds in schedule.items()
        }
        return Beat(self._app, on_sent)


def kill_pool() -> None:
    """SIGKILL the processes that run this process' jobs; what they were at is run again by another."""
    for process in cast(Any, active_children)():
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


class Beat:
    """Sends jobs by the clock. Its memory is the process: after a restart everything is due at once."""

    def __init__(self, app: Any, on_sent: Callable[[str], None]) -> None:
        class OurScheduler(_MemoryScheduler):
            sent = staticmethod(on_sent)

        self._service: Any = Service(app, max_interval=1, scheduler_cls=OurScheduler)

    def run(self) -> None:
        """Return after `stop`, within a second or two."""
        self._service.start()

    def stop(self) -> None:
        """May be called from a signal handler."""
        self._service.stop()


class _MemoryScheduler(Scheduler):  # pyright: ignore[reportUntypedBaseClass]
    sent: Callable[[str], None]

    def populate_heap(self, *args: Any, **kwargs: Any) -> None:
        # What never ran is due now, and not in one interval from now.
        for entry in cast(Any, self).schedule.values():
            if entry.total_run_count == 0:
                entry.last_run_at -= entry.schedule.run_every
        cast(Any, super()).populate_heap(*args, **kwargs)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        try:
            cast(Any, self).apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            log.warning("a job could not be sent; it is tried again at its next time", error=str(error))
        else:
            self.sent(entry.task)


def quiet_libraries() -> None:
    """Leave out a line for each job sent and run; before `set_up_logging`, whose settings win."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _keep_logging(**_: Any) -> None:
    """A receiver of this signal keeps Celery from setting up logging of its own."""
