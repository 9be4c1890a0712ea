"""Ends a process that lives but no longer works, so that whoever keeps it (supervisor, the container engine) starts it
anew: both bring back what has ended, and neither what is merely silent.
"""

import asyncio
import faulthandler
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

import structlog

log = structlog.stdlib.get_logger(__name__)
EXIT_CODE = 70
"""Not zero: to those who keep it the process has failed."""
LOOP_SECONDS = 60
"""How long the event loop of a service may stand still; large bodies take it a few seconds."""
_LOOP_TICK = 1.0


def never() -> bool:
    """Nothing excuses silence."""
    return False


def end_process() -> None:
    """End this process at once. Where all its threads stand is written to its console first."""
    faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
    os._exit(EXIT_CODE)


@dataclass(frozen=True)
class Watchdog:
    """Ends a process (`end`) whose `sign`, a value that changes whenever it gets on with its work, stays the same.

    It looks every `tick` seconds, in a thread. What counts is how often it looked in vain, and not what a clock says:
    a process that was stopped as a whole, or a machine that slept, is given its full time afterwards. While what the
    work stands on is away, so that silence is `excused`, no time is counted.
    """

    what: str
    sign: Callable[[], object]
    seconds: float
    excused: Callable[[], bool] = never
    end: Callable[[], None] = end_process
    tick: float = 1.0

    def start(self) -> Event:
        """Watch until the event that is returned is set, or the process ends."""
        stopped = Event()
        Thread(target=self._watch, args=(stopped,), name=f"watchdog of {self.what}", daemon=True).start()
        return stopped

    def _watch(self, stopped: Event) -> None:
        last, silent = self.sign(), 0.0
        while not stopped.wait(self.tick):
            now = self.sign()
            silent = 0.0 if now != last or self.excused() else silent + self.tick
            last = now
            if silent >= self.seconds:
                log.critical("lives, but no longer works: ends, to be started anew", part=self.what, silent=silent)
                self.end()
                return


@contextmanager
def loop_watched(seconds: float = LOOP_SECONDS) -> Generator[None]:
    """The event loop that runs here is watched for the block."""
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(_LOOP_TICK / 2)

    beating = asyncio.create_task(beat())
    stopped = Watchdog("the event loop", lambda: beats, seconds, tick=_LOOP_TICK).start()
    try:
        yield
    finally:
        stopped.set()
        beating.cancel()
