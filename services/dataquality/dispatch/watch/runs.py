"""Runs whose node is gone: they fail, or wait for the node to begin them anew, as the environment says.

A run is lost when its node gave no sign for long: no open socket, no call, no answer for this run. That a connection
broke is no sign of anything. All by the server's clock; what nodes send as times is not looked at.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.core.settings import LostRunSettings
from dataquality.dispatch.ending import end_results
from dataquality.dispatch.events import announce_updates
from dataquality.dispatch.sockets.leases import is_live
from dataquality.dispatch.states import OFFERED_AGAIN, Ending
from dataquality.dispatch.watch.uptime import up_since
from dataquality.model import Authenticatable, Node, Result, ResultStatus, Task, utc_now

_node = Node.__table__
_identity = Authenticatable.__table__


async def any_lost(connection: AsyncConnection, settings: LostRunSettings) -> bool:
    """True if a run is lost. Never soon after a time in which no node could reach us."""
    since = await up_since(connection)
    if since is None or since > _limit(settings):
        return False
    return await connection.scalar(select(Result.id).where(*_lost(settings)).limit(1)) is not None


async def settle_lost(session: AsyncSession, settings: LostRunSettings) -> None:
    """Offer lost runs again or end them. One conditional statement each: a late answer wins or loses whole."""
    if settings.then == "offer_again":
        await _offer_again(session, settings)
    await end_results(session, Ending.LOST, *_lost(settings))


async def _offer_again(session: AsyncSession, settings: LostRunSettings) -> None:
    has_node = Result.id.in_(_with_nodes())
    statement = (
        update(Result)
        .where(*_lost(settings), has_node, Result.status.in_(OFFERED_AGAIN), Result.offers < settings.offers)
        .values(status=ResultStatus.PENDING, started_at=None, offers=Result.offers + 1, updated_at=utc_now())
        .returning(Result.id, Result.task_id)
        .execution_options(synchronize_session=False)
    )
    offered = (await session.execute(statement)).all()
    if not offered:
        return
    places = select(Task.id, Task.collaboration_id).where(Task.id.in_({row.task_id for row in offered}))
    collaborations = {row.id: row.collaboration_id for row in (await session.execute(places)).all()}
    for collaboration_id in sorted(set(collaborations.values())):
        here = [row.id for row in offered if collaborations[row.task_id] == collaboration_id]
        await announce_updates(session, collaboration_id, sorted(here))


def _lost(settings: LostRunSettings) -> tuple[ColumnElement[bool], ...]:
    limit = _limit(settings)
    alive = _with_nodes().where(or_(_identity.c.last_seen >= limit, is_live(utc_now(), _identity.c.id)))
    return (
        Result.finished_at.is_(None),
        or_(Result.started_at.is_not(None), Result.status != ResultStatus.PENDING),
        Result.updated_at < limit,
        Result.id.not_in(alive),
    )


def _with_nodes() -> Any:
    """The ids of open results whose organization has a node in the collaboration."""
    result = Result.__table__.alias()
    is_its_node = (_node.c.organization_id == result.c.organization_id) & (
        _node.c.collaboration_id == Task.collaboration_id
    )
    return (
        select(result.c.id)
        .join(Task, Task.id == result.c.task_id)
        .join(_node, is_its_node)
        .join(_identity, _identity.c.id == _node.c.id)
        .where(result.c.finished_at.is_(None))
    )


def _limit(settings: LostRunSettings) -> datetime:
    return utc_now() - timedelta(minutes=settings.after_minutes)
