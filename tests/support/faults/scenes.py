"""Small runs, each aimed at one way to lose something: a sound stack passes every time, one broken there never does."""

import asyncio
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager

from sqlalchemy import Engine, text

from dataquality.dispatch.celery import JobQueue
from dataquality.dispatch.names import CANARY
from support.faults.injector import Hit
from support.faults.load import until
from support.faults.local_parts import LocalParts
from support.faults.trial import Scene, Stage

_SLOW_SECONDS = 2
_QUEUE = "dataquality"
_LOOK_SECONDS, _SECONDS_OF_REST = 0.1, 1.5
_UNSENT = text("SELECT count(*) FROM outbox WHERE sent_at IS NULL AND collaboration_id = :collaboration")


def worker_dies_while_it_marks(parts: LocalParts) -> Scene:
    """The worker is killed while the database is slow to mark events as sent; the mark is made all the same."""

    async def scene(stage: Stage) -> None:
        await _at_rest(parts, stage.load.researcher.collaboration)
        with _slow_to_mark(parts.database()) as engine:
            await stage.load.researcher.ask(stage.load.researcher.addressees)
            await until(lambda: _is_marking(engine))
            await stage.injector.inflict([Hit("worker", "kill")])

    return scene


def wake_up_call_is_lost(parts: LocalParts) -> Scene:
    """Redis is emptied while the job that would drain the outbox waits there for a frozen worker."""

    async def scene(stage: Stage) -> None:
        await _at_rest(parts, stage.load.researcher.collaboration)
        hits = [Hit("worker", "freeze", seconds=3), Hit("redis", "flush", after=2.5)]
        async with asyncio.TaskGroup() as together:
            together.create_task(stage.injector.inflict(hits))
            await asyncio.sleep(0.5)
            # The worker asked for a job before it was frozen and is given this one: the next one waits in Redis.
            await asyncio.to_thread(JobQueue(parts.redis_url).send, CANARY)
            await stage.load.researcher.ask(stage.load.researcher.addressees)

    return scene


def jobs_end_while_redis_is_away(parts: LocalParts) -> Scene:
    """All processes of the worker are at work when Redis goes, and are done before it comes back."""

    async def scene(stage: Stage) -> None:
        with ExitStack() as redis_away:
            with parts.hands_tied("worker"):
                for _ in range(8):
                    await asyncio.to_thread(JobQueue(parts.redis_url).send, CANARY)
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


async def _at_rest(parts: LocalParts, collaboration: int) -> None:
    """What the nodes' coming made to do is done: a job that is begun already would take the task's events along.

    What an earlier run left waits for a sweep, which this stack may be without.
    """
    engine = parts.database()
    seconds_of_rest = 0.0

    def works() -> bool:
        with engine.connect() as connection:
            unsent = connection.execute(_UNSENT, {"collaboration": collaboration}).scalar_one()
        return bool(unsent or client.llen(_QUEUE))

    with closing(parts.redis_client()) as client:
        # Jobs that are begun leave the queue; they take less than this.
        while seconds_of_rest < _SECONDS_OF_REST:
            seconds_of_rest = 0.0 if works() else seconds_of_rest + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
    engine.dispose()


@contextmanager
def _slow_to_mark(engine: Engine) -> Generator[Engine]:
    """While the block lasts, it takes seconds to mark an event as sent."""
    make = (
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_sleep({_SLOW_SECONDS}); RETURN NEW; END $$",
        "CREATE TRIGGER dawdle BEFORE UPDATE ON outbox FOR EACH ROW"
        " WHEN (NEW.sent_at IS NOT NULL) EXECUTE FUNCTION dawdle()",
    )
    try:
        _run(engine, *make)
        yield engine
    finally:
        _run(engine, "DROP TRIGGER dawdle ON outbox", "DROP FUNCTION dawdle")
        engine.dispose()


def _run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _is_marking(engine: Engine) -> bool:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query ILIKE 'UPDATE outbox%'"
    with engine.connect() as connection:
        return connection.execute(text(statement)).scalar_one() > 0
