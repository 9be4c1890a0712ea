"""One look at everything whose time may have run out. Runs as a job; twice at once, or again, does no harm.

Looks before it writes: on SQLite whoever writes keeps all others waiting. Each part is a transaction of its own, so
that one that fails leaves the others done.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.core.database import Database
from dataquality.core.settings import LostRunSettings, Settings
from dataquality.dispatch.ending import end_results, is_orphan
from dataquality.dispatch.events import announce_status
from dataquality.dispatch.kill import wishes
from dataquality.dispatch.sockets import leases
from dataquality.dispatch.states import Ending
from dataquality.dispatch.watch.runs import any_lost, settle_lost
from dataquality.model import OnlineStatus, Result, Task, utc_now

log = structlog.stdlib.get_logger(__name__)


async def sweep_once(settings: Settings) -> None:
    """Sweep with a connection of its own. Raises SQLAlchemyError when the database does not answer."""
    database = Database(settings.database_url)
    try:
        await sweep(database, settings.lost_runs)
    finally:
        await database.close()


async def sweep(database: Database, lost_runs: LostRunSettings) -> None:
    """Mark as offline, end, offer again and tell again what is due now."""
    await _expire_sockets(database)
    async with database.reading() as connection:
        expired, orphaned = await _any(connection, Ending.EXPIRED), await _any(connection, Ending.ORPHANED)
        lost, to_tell = await any_lost(connection, lost_runs), await wishes.is_due(connection)
    for ending, is_due in ((Ending.EXPIRED, expired), (Ending.ORPHANED, orphaned)):
        if is_due:
            async with database.writing() as session:
                ended = await end_results(session, ending, Result.task_id.in_(_TASKS[ending]()))
            log.info("results ended by the clock", why=ending.name.lower(), count=len(ended))
    if lost:
        async with database.writing() as session:
            await settle_lost(session, lost_runs)
        log.info("runs of nodes that are gone were settled", how=lost_runs.then)
    if to_tell:
        async with database.writing() as session:
            told = await wishes.tell_again(session)
            await wishes.forget(session)
        log.info("nodes are told again what to kill", count=told)


async def _expire_sockets(database: Database) -> None:
    async with database.reading() as connection:
        gone = await leases.gone(connection)
    for identity in gone:
        async with database.writing() as session:
            await _expire(session, identity)


async def _expire(session: AsyncSession, identity: int) -> None:
    node = await leases.expire(session, identity)
    if node is not None:
        log.info("a node's socket is gone without a word", node=node.id)
        place = (node.collaboration_id, node.id, node.name, node.organization_id)
        await announce_status(session, OnlineStatus.OFFLINE, *place)


def _past_deadline() -> Select[Any]:
    return select(Task.id).where(Task.deadline <= utc_now())


def _orphans() -> Select[Any]:
    return select(Task.id).where(Task.parent_id.is_not(None), is_orphan())


_TASKS: Mapping[Ending, Callable[[], Select[Any]]] = {Ending.EXPIRED: _past_deadline, Ending.ORPHANED: _orphans}


async def _any(connection: AsyncConnection, ending: Ending) -> bool:
    """True if this is the end of a result that is open."""
    is_open = select(Result.id).where(Result.finished_at.is_(None), Result.task_id.in_(_TASKS[ending]())).limit(1)
    return await connection.scalar(is_open) is not None
