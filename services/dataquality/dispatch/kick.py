"""Wakes the worker when there is something in the outbox; the sweep finds what no kick told of."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog
from structlog.contextvars import get_contextvars

from dataquality.dispatch.celery import SEND_ERRORS, JobQueue
from dataquality.dispatch.names import DRAIN_OUTBOX

log = structlog.stdlib.get_logger(__name__)


class Kicker:
    """Sends the job that drains the outbox, beside the request: an answer never waits for it.

    Kicks that come while one is on its way become one.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._thread = ThreadPoolExecutor(1, "kick")
        self._waiting = False
        self._sending: set[asyncio.Task[None]] = set()

    async def kick(self) -> None:
        """Return at once; the job is sent as soon as may be, or not at all."""
        if self._waiting:
            return
        self._waiting = True
        request_id = str(get_contextvars().get("request_id", ""))
        task = asyncio.create_task(self._send(request_id))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def close(self) -> None:
        """Send no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _send(self, request_id: str) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send_now, request_id)

    def _send_now(self, request_id: str) -> None:
        # From here on a new event may be too late for this kick, and needs its own.
        self._waiting = False
        try:
            self._queue.send(DRAIN_OUTBOX, {"request_id": request_id})
        except SEND_ERRORS as error:
            log.warning("the worker could not be woken; the sweep will do", error=type(error).__name__)
