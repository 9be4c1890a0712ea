"""Who holds sockets, over all instances: a lease a socket in the database, which its instance renews.

An old socket's end may come after a new one's beginning (a node that reconnects): each takes its own lease away, and
the status becomes offline only where no other lease lasts. Beginning and end of one identity's sockets happen one after
another, because each locks the identity's row first; SQLite has one writer anyway. Times are the server's.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.dispatch.among import among
from dataquality.model import Authenticatable, Node, OnlineStatus, SocketLease, utc_now

LEASE = timedelta(seconds=90)
"""What an instance that died leaves behind lasts this long."""
_identity = cast(Table, Authenticatable.__table__)
_node = cast(Table, Node.__table__)


async def enter(session: AsyncSession, sid: str, identity: int, instance: str) -> None:
    """A socket begins, or is found to have lost its lease; nothing when the identity is gone."""
    if not await _lock(session, identity):
        return
    now = utc_now()
    await session.execute(delete(SocketLease).where(SocketLease.sid == sid))
    lease = insert(SocketLease).values(sid=sid, identity_id=identity, instance=instance, until=now + LEASE)
    await session.execute(lease)
    await session.execute(
        update(_identity).where(_identity.c.id == identity).values(status=OnlineStatus.ONLINE, last_seen=now)
    )


async def leave(session: AsyncSession, sid: str, identity: int) -> bool:
    """A socket has ended; True if its identity is offline by that."""
    await _lock(session, identity)
    await session.execute(delete(SocketLease).where(SocketLease.sid == sid))
    await see(session, [identity])
    return await _mark_offline(session, identity)


async def renew(session: AsyncSession, instance: str) -> set[str]:
    """Prolong the leases of an instance; the sockets that have one.

    A socket without one was taken for dead meanwhile; a lease without its socket was left when the database was away.
    """
    renewed = update(SocketLease).where(SocketLease.instance == instance).values(until=utc_now() + LEASE)
    return set((await session.scalars(renewed.returning(SocketLease.sid))).all())


async def forget(session: AsyncSession, sids: Collection[str]) -> None:
    """Take away the leases of sockets that ended unnoticed; the clock finds out who is offline by that."""
    if sids:
        these = among(await session.connection(), SocketLease.sid, sorted(sids))
        await session.execute(delete(SocketLease).where(these))


async def see(session: AsyncSession, identities: Collection[int]) -> None:
    """Note that these showed signs of life, in one statement; rows that others work on are left to them."""
    mine = among(await session.connection(), _identity.c.id, sorted(identities))
    rows = select(_identity.c.id).where(mine).with_for_update(skip_locked=True, key_share=True)
    await session.execute(update(_identity).where(_identity.c.id.in_(rows)).values(last_seen=utc_now()))


async def gone(connection: AsyncConnection) -> Sequence[int]:
    """Those that count as online although none of their leases lasts."""
    lasts = is_live(utc_now(), _identity.c.id)
    statement = select(_identity.c.id).where(_identity.c.status == OnlineStatus.ONLINE, ~lasts)
    return (await connection.scalars(statement.order_by(_identity.c.id))).all()


async def expire(session: AsyncSession, identity: int) -> Any | None:
    """Mark one of the `gone` as offline; who it is, if it is a node and was still gone."""
    await _lock(session, identity)
    dead = (SocketLease.identity_id == identity, SocketLease.until <= utc_now())
    await session.execute(delete(SocketLease).where(*dead))
    if not await _mark_offline(session, identity):
        return None
    columns = (_node.c.id, _node.c.name, _node.c.organization_id, _node.c.collaboration_id)
    return (await session.execute(select(*columns).where(_node.c.id == identity))).one_or_none()


def is_live(now: datetime, identity: Any) -> ColumnElement[bool]:
    """The identity holds a socket, as far as is known."""
    return exists().where(SocketLease.identity_id == identity, SocketLease.until > now)


async def _lock(session: AsyncSession, identity: int) -> bool:
    row = select(_identity.c.id).where(_identity.c.id == identity).with_for_update(key_share=True)
    return await session.scalar(row) is not None


async def _mark_offline(session: AsyncSession, identity: int) -> bool:
    mine = (_identity.c.id == identity, _identity.c.status == OnlineStatus.ONLINE)
    statement = update(_identity).where(*mine, ~is_live(utc_now(), identity)).values(status=OnlineStatus.OFFLINE)
    return (await session.execute(statement.returning(_identity.c.id))).one_or_none() is not None
