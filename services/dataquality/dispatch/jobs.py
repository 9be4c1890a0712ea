"""The jobs of the worker. Each process of its pool makes its own connections, when first it needs them."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any

import structlog
from redis.exceptions import RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import bound_contextvars

from dataquality.core.database import create_autocommit_engine
from dataquality.core.settings import Settings
from dataquality.dispatch.celery import JobQueue
from dataquality.dispatch.forgetting import forget_answers
from dataquality.dispatch.mail.queue import MailQueue
from dataquality.dispatch.mail.sending import Sender, sender_address
from dataquality.dispatch.mail.server import MailServer, mail_server
from dataquality.dispatch.names import (
    CANARY,
    CANARY_KEYS,
    CANARY_MAX_AGE,
    CLEAN_MAIL,
    CLEAN_OUTBOX,
    DRAIN_OUTBOX,
    FORGET_ANSWERS,
    REDELIVER,
    SEND_MAIL,
    SWEEP,
)
from dataquality.dispatch.outbox.claims import Outbox
from dataquality.dispatch.outbox.drain import drain
from dataquality.dispatch.redelivery import Redeliveries
from dataquality.dispatch.redis_sync import connect_redis_sync
from dataquality.dispatch.sockets.managers import NobodyListens, RoomEmitter
from dataquality.dispatch.watch.sweep import sweep_once
from dataquality.model import utc_now

log = structlog.stdlib.get_logger(__name__)
KEEP_SENT = timedelta(days=1)
"""How long events stay in the outbox after they were sent: for looking, in case of trouble."""
KEEP_ANSWERS = timedelta(days=1)
"""How long the answer to a request with an `Idempotency-Key` is kept for when it comes again."""
_SECONDS_FOR_MAIL = 45
"""Less than the time after which a job is killed: so that a mail server that hangs is noted as such."""


class Jobs:
    """What the jobs stand on and what they do."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def register(self, queue: JobQueue) -> None:
        """Let a worker of this queue run them."""
        queue.register(DRAIN_OUTBOX, self.drain_outbox)
        queue.register(CANARY, self.canary)
        queue.register(CLEAN_OUTBOX, self.clean_outbox)
        queue.register(SEND_MAIL, self.send_mail, _SECONDS_FOR_MAIL)
        queue.register(CLEAN_MAIL, self.clean_mail)
        queue.register(REDELIVER, self.redeliver)
        queue.register(SWEEP, self.sweep)
        queue.register(FORGET_ANSWERS, self.forget_answers)

    def drain_outbox(self, request_id: str = "") -> None:
        """Emit what waits. `request_id` is of the request that asked for it; the sweep has none."""
        with bound_contextvars(**({"request_id": request_id} if request_id else {})):
            sent = _attempt("events wait", lambda: drain(self._outbox, self._emitter))
            if sent:
                log.info("events emitted", count=sent)

    def canary(self) -> None:
        """Say that jobs are run."""
        _attempt("canary", lambda: sing(self._redis, "worker"))

    def clean_outbox(self) -> None:
        """Delete old events that were sent."""
        forgotten = _attempt("events not cleaned", lambda: self._outbox.forget_sent(KEEP_SENT))
        if forgotten:
            log.info("outbox cleaned", count=forgotten)

    def send_mail(self) -> None:
        """Send the mails that are due."""
        server = self._mail_server
        if server is not None:
            settings = self._settings
            sender = Sender(self._mails, server, sender_address(settings), settings.support_email)
            _attempt("mails wait", sender.send_due)

    def clean_mail(self) -> None:
        """Give up mails that are of no use any more, and delete old ones; also where there is no mail server now."""
        _attempt("mails not given up", self._mails.give_up_expired)
        _attempt("mails not cleaned", self._mails.forget_old)

    def forget_answers(self) -> None:
        """Delete what was kept for requests that might come again."""
        _attempt("answers not forgotten", lambda: forget_answers(self._engine, KEEP_ANSWERS))

    def redeliver(self) -> None:
        """Have nodes told again of what they have not begun."""
        timer = Redeliveries(self._engine, timedelta(minutes=self._settings.redelivery_minutes))
        told = _attempt("tasks are not told again", timer.tell_due)
        if told:
            log.info("nodes are told of tasks again", count=told)

    def sweep(self) -> None:
        """Settle what the clock settles: sockets, runs and tasks whose time has run out, kills to be told again."""
        _attempt("the clock's work waits", lambda: asyncio.run(sweep_once(self._settings)))

    @cached_property
    def _mail_server(self) -> MailServer | None:
        return mail_server(self._settings)

    @cached_property
    def _mails(self) -> MailQueue:
        return MailQueue(self._engine, secrets.token_hex(8))

    @cached_property
    def _outbox(self) -> Outbox:
        return Outbox(self._engine, secrets.token_hex(8))

    @cached_property
    def _engine(self) -> Engine:
        return create_autocommit_engine(self._settings.database_url)

    @cached_property
    def _redis(self) -> Any:
        return connect_redis_sync(self._settings.redis_url)

    @cached_property
    def _emitter(self) -> RoomEmitter:
        return RoomEmitter(self._redis)


def sing(redis: Any, who: str) -> None:
    """Note in Redis that the canary is alive, as the worker or as beat sees it."""
    redis.set(CANARY_KEYS[who], utc_now().isoformat(), ex=CANARY_MAX_AGE * 10)


def _attempt(what: str, job: Callable[[], int | None]) -> int | None:
    # A database or a Redis that is away is no fault of the job: the next sweep tries again.
    try:
        return job()
    except NobodyListens:
        log.info(f"{what}: no dispatch service listens at the moment")
    except (SQLAlchemyError, RedisError, OSError) as error:
        log.warning(f"{what}: {type(error).__name__}: {str(error).splitlines()[0]}")
    return None
