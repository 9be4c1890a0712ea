"""Refresh sessions: a row for each refresh token that is out, so that it can be taken back.

A user's access tokens live as long as the family that they come from (`core.callers`), and sockets close with the
user's stamp: ending a session ends all three.

A user's refresh token is replaced at each use; all that came from one sign-in are a family. When a replaced one comes
again after its successor was used, or a successor comes that another has pushed out, two hold copies, and the whole
family ends. Not so within GRACE, because the existing clients repeat a refused request and may refresh twice at once;
and not where no successor was ever used: clients of the 3.4 line keep the token of their sign-in for good.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.auth.rights.stamps import void_user
from dataquality.core.tokens import IssuedToken
from dataquality.model import Authenticatable, Node, RefreshSession

GRACE = timedelta(seconds=60)
# A node keeps its refresh token as long as its process lives; each start takes a new one.
_MOST_OF_A_NODE = 50
_CLEANED_AT_ONCE = 100


class Use(Enum):
    """What became of the attempt to use a refresh token."""

    ACCEPTED = auto()
    UNKNOWN = auto()
    REUSED = auto()


def new_family() -> str:
    """The name of what is to come from one sign-in."""
    return uuid.uuid4().hex


async def remember(
    connection: AsyncConnection, owner: int, family: str, token: IssuedToken, until: datetime | None = None
) -> int:
    """Note a refresh token that is given out, and forget some that have expired; the id of the session.

    `until`: when the access token beside it expires, where that is later: the session must be known until then.
    Ids only grow: of two sign-ins of a node, the later one has the larger id.
    """
    expired = select(RefreshSession.id).where(RefreshSession.expires_at < token.issued_at).limit(_CLEANED_AT_ONCE)
    # Skipping what another request cleans at this moment: waiting for one another could end in a deadlock.
    await _forget((await connection.scalars(expired.with_for_update(skip_locked=True))).all(), connection)
    made = insert(RefreshSession).values(
        jti=token.jti,
        authenticatable_id=owner,
        family=family,
        issued_at=token.issued_at,
        expires_at=max(filter(None, (token.expires_at, until)), default=None),
    )
    return (await connection.execute(made.returning(RefreshSession.id))).scalar_one()


async def forget_oldest_of_node(connection: AsyncConnection, node_id: int) -> None:
    """Keep the newest tokens of a node only: a node that restarts every minute must not fill the table."""
    oldest = (
        select(RefreshSession.id)
        .where(RefreshSession.authenticatable_id == node_id)
        .order_by(RefreshSession.id.desc())
        .offset(_MOST_OF_A_NODE)
        .limit(_CLEANED_AT_ONCE)
    )
    await _forget((await connection.scalars(oldest)).all(), connection)


async def _forget(ids: Sequence[int], connection: AsyncConnection) -> None:
    if ids:
        await connection.execute(delete(RefreshSession).where(RefreshSession.id.in_(ids)))


async def session_of_node(connection: AsyncConnection, node_id: int, jti: str) -> Any | None:
    """The id of the session and of the node's API key if this refresh token of it is still good; None if not.

    A node's tokens are a family under the key that it signed in with: with the key they end.
    """
    statement = select(RefreshSession.id, Node.__table__.c.api_key_id).where(
        Node.__table__.c.id == node_id,
        Node.__table__.c.api_key_id == RefreshSession.family,
        *_live(RefreshSession.jti == jti, RefreshSession.authenticatable_id == node_id),
    )
    return (await connection.execute(statement)).one_or_none()


async def exists_still(connection: AsyncConnection, identity: int) -> bool:
    """True if there is such a user or node."""
    return await connection.scalar(select(Authenticatable.id).where(Authenticatable.id == identity)) is not None


async def use(connection: AsyncConnection, user_id: int, jti: str, sid: str | None, now: datetime) -> tuple[Use, str]:
    """Use up a user's refresh token; also its family. `sid` is the family that the token itself names.

    The caller's transaction must be committed whatever comes out.

    The user's row is locked first: refreshes, sign-outs and password changes of one user happen one after another.
    """
    await lock_owner(connection, user_id)
    mine = (RefreshSession.jti == jti, RefreshSession.authenticatable_id == user_id)
    columns = (RefreshSession.id, RefreshSession.family, RefreshSession.revoked_at)
    found = (await connection.execute(select(*columns).where(*mine))).first()
    if found is None:
        return await _use_of_unknown(connection, user_id, sid, now)
    if found.revoked_at is None:
        await _revoke(connection, now, *mine)
        return Use.ACCEPTED, found.family
    if now - found.revoked_at <= GRACE and await _is_alive(connection, found.family):
        return Use.ACCEPTED, found.family
    if await _successors_are_unused(connection, found.id, found.family):
        await _push_out_successors(connection, found.id, found.family, now)
        return Use.ACCEPTED, found.family
    await _end(connection, user_id, now, RefreshSession.family == found.family)
    return Use.REUSED, found.family


async def _use_of_unknown(connection: AsyncConnection, user_id: int, sid: str | None, now: datetime) -> tuple[Use, str]:
    """A token that we signed and know no longer was pushed out by one before it: two hold copies."""
    if sid is None or not await _is_alive(connection, sid):
        return Use.UNKNOWN, ""
    await _end(connection, user_id, now, RefreshSession.family == sid)
    return Use.REUSED, sid


async def _successors_are_unused(connection: AsyncConnection, session_id: int, family: str) -> bool:
    later = (RefreshSession.family == family, RefreshSession.id > session_id)
    used = exists().where(*later, RefreshSession.revoked_at.is_not(None))
    return await connection.scalar(select(exists().where(*_live(*later)) & ~used)) or False


async def _push_out_successors(connection: AsyncConnection, session_id: int, family: str, now: datetime) -> None:
    """Whoever keeps the older token never saw them; `revoked_at` of the older one says again when it was used."""
    await connection.execute(
        delete(RefreshSession).where(RefreshSession.family == family, RefreshSession.id > session_id)
    )
    await connection.execute(update(RefreshSession).where(RefreshSession.id == session_id).values(revoked_at=now))


async def lock_owner(connection: AsyncConnection, identity: int) -> None:
    """Wait until nobody else works on this identity's sessions."""
    await connection.execute(select(Authenticatable.id).where(Authenticatable.id == identity).with_for_update())


async def end_others(connection: AsyncConnection, user_id: int, kept_family: str | None, now: datetime) -> None:
    """End all of a user's sessions but one. Whoever calls has locked the user (`lock_owner`)."""
    others = [] if kept_family is None else [RefreshSession.family != kept_family]
    await _end(connection, user_id, now, *others)


async def end_one(connection: AsyncConnection, user_id: int, family: str, now: datetime) -> None:
    """End one of a user's sessions. Whoever calls has locked the user (`lock_owner`)."""
    await _end(connection, user_id, now, RefreshSession.family == family)


async def _end(connection: AsyncConnection, user_id: int, now: datetime, *which: ColumnElement[bool]) -> None:
    await _revoke(connection, now, RefreshSession.authenticatable_id == user_id, *which)
    # All sockets of the user close with the stamp; those of sessions that go on come back.
    await void_user(connection, user_id)


async def _is_alive(connection: AsyncConnection, family: str) -> bool:
    # A replaced token leaves its successor alive; in a family that was ended on purpose nothing is, and no grace given.
    return await connection.scalar(select(exists().where(*_live(RefreshSession.family == family)))) or False


async def _revoke(connection: AsyncConnection, now: datetime, *conditions: ColumnElement[bool]) -> None:
    await connection.execute(update(RefreshSession).where(*_live(*conditions)).values(revoked_at=now))


def _live(*conditions: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    return (*conditions, RefreshSession.revoked_at.is_(None))
