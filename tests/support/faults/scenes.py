"""Small runs, each aimed at one way to lose something: a sound stack passes every time, one broken there never does."""

import asyncio
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager

from sqlalchemy import Engine, text

from dataquality.dispatch.celery import JobQueue
from dataquality.dispatch.names import CANARY, DRAIN_OUTBOX
from support.faults.load import until
from support.faults.local_parts import LocalParts
from support.faults.trial import Scene, Stage

_QUEUE, _TAKEN = "dataquality", "unacked_index"
"""Where in Redis the jobs are that wait for a worker, and when it took those that it has not done."""
_SECONDS = 30.0
"""How long Redis may take to answer us."""
_LOCK = 20261128
_LOOK_SECONDS, _SECONDS_OF_REST = 0.1, 1.0
_UNSENT = text("SELECT count(*) FROM outbox WHERE sent_at IS NULL AND collaboration_id = :collaboration")


def worker_dies_while_it_marks(parts: LocalParts) -> Scene:
    """The worker is killed while the database is slow to mark events as sent; the mark is made all the same."""

    async def scene(stage: Stage) -> None:
        researcher = stage.load.researcher
        await _at_rest(parts, stage)
        with _marks_held_up(parts.database(), researcher.collaboration) as engine:
            await researcher.ask(researcher.addressees)
            await until(lambda: _is_marking(engine))
            await asyncio.to_thread(parts.kill, "worker")
        await stage.injector.inflict([])

    return scene


def wake_up_call_is_lost(parts: LocalParts) -> Scene:
    """Redis is emptied while the job that would drain the outbox waits there for a frozen worker."""

    async def scene(stage: Stage) -> None:
        researcher = stage.load.researcher
        await _at_rest(parts, stage)
        await asyncio.to_thread(parts.freeze, "worker")
        try:
            # A worker that asked for a job before it was frozen is given this one: the next one waits in Redis.
            await asyncio.to_thread(_send_canary, parts)
            await researcher.ask(researcher.addressees)
            await until(lambda: _is_called(parts))
            await asyncio.to_thread(parts.flush)
        finally:
            await asyncio.to_thread(parts.thaw, "worker")
        await stage.injector.inflict([])

    return scene


def jobs_end_while_redis_is_away(parts: LocalParts) -> Scene:
    """All processes of the worker are at work when Redis goes, and are done before it comes back."""

    async def scene(stage: Stage) -> None:
        with ExitStack() as redis_away:
            with parts.hands_tied("worker"):
                for _ in range(8):
                    await asyncio.to_thread(_send_canary, parts)
                await asyncio.sleep(1)
                await asyncio.to_thread(redis_away.enter_context, parts.stopped("redis"))
            await asyncio.sleep(2)
        await stage.injector.inflict([])
        await stage.injector.probe()

    return scene


def all_answer_twice_at_once(tasks: int) -> Scene:
    """For nodes whose habit it is: two runs of each result end at the same time, in different ways."""

    async def scene(stage: Stage) -> None:
        researcher = stage.load.researcher
        await asyncio.gather(*(researcher.ask(researcher.addressees) for _ in range(tasks)))

    return scene


async def _at_rest(parts: LocalParts, stage: Stage) -> None:
    """What the nodes' coming made to do is done: a job that is begun already would take the task's events along.

    What an earlier run left waits for a sweep, which this stack may be without.
    """
    engine, collaboration = parts.database(), stage.load.researcher.collaboration
    # What a worker had taken that was killed in an earlier run stays there.
    began, seconds_of_rest = time.time() - stage.history.now, 0.0

    def works() -> bool:
        with engine.connect() as connection:
            unsent = connection.execute(_UNSENT, {"collaboration": collaboration}).scalar_one()
        return bool(unsent or client.llen(_QUEUE) or client.zcount(_TAKEN, began, "+inf"))

    with closing(parts.redis_client()) as client:
        # For a moment, a job on its way to the queue or from there to the worker is nowhere to be seen.
        while seconds_of_rest < _SECONDS_OF_REST:
            seconds_of_rest = 0.0 if works() else seconds_of_rest + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
    engine.dispose()


def _send_canary(parts: LocalParts) -> None:
    JobQueue(parts.redis_url, _SECONDS).send(CANARY)


def _is_called(parts: LocalParts) -> bool:
    """Whether the job that would drain the outbox waits for the worker."""
    with closing(parts.redis_client()) as client:
        return any(DRAIN_OUTBOX.encode() in job for job in client.lrange(_QUEUE, 0, -1))


@contextmanager
def _marks_held_up(engine: Engine, collaboration: int) -> Generator[Engine]:
    """While the block lasts, to mark a task of the collaboration as told takes as long: it is made when the block ends.

    Others' marks are not held up: what earlier runs left, such as a node that is offline only now, would be met first.
    """
    make = (
        # Its own wait for locks is limited, and a starved machine's is not.
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS"
        f" $$ BEGIN PERFORM pg_advisory_xact_lock({_LOCK}); RETURN NEW; END $$",
        "CREATE TRIGGER dawdle BEFORE UPDATE ON outbox FOR EACH ROW WHEN (NEW.sent_at IS NOT NULL"
        f" AND NEW.event = 'new_task' AND NEW.collaboration_id = {collaboration:d}) EXECUTE FUNCTION dawdle()",
    )
    try:
        _run(engine, *make)
        with engine.begin() as holder:
            holder.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            yield engine
    finally:
        _run(engine, "DROP TRIGGER IF EXISTS dawdle ON outbox", "DROP FUNCTION IF EXISTS dawdle")
        engine.dispose()


def _run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _is_marking(engine: Engine) -> bool:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND query ILIKE 'UPDATE outbox%'"
    with engine.connect() as connection:
        return connection.execute(text(statement)).scalar_one() > 0
