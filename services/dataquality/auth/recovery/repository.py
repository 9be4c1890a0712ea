"""SQL of recovery."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.auth.recovery.schemas import Lost
from dataquality.model import UsedToken, User

users = User.__table__
_COLUMNS = (
    users.c.id,
    users.c.username,
    users.c.email,
    users.c.password,
    users.c.otp_secret,
    users.c.failed_login_attempts,
    users.c.last_failed_login_at,
)
_CLEANED_AT_ONCE = 100


async def user_named(connection: AsyncConnection, lost: Lost) -> Any | None:
    """The user whom the request names."""
    named = users.c.username == lost.username if lost.username else users.c.email == lost.email
    return await _user(connection, named)


async def user_by_id(connection: AsyncConnection, user_id: int) -> Any | None:
    """The user with that id."""
    return await _user(connection, users.c.id == user_id)


async def use_up(connection: AsyncConnection, jti: str, expires_at: datetime, now: datetime) -> bool:
    """Note that a token has worked; False if it had before. Whoever calls has locked the token's user.

    Forgets some tokens that have expired since.
    """
    if await connection.scalar(select(UsedToken.jti).where(UsedToken.jti == jti)) is not None:
        return False
    expired = select(UsedToken.jti).where(UsedToken.expires_at < now).limit(_CLEANED_AT_ONCE)
    # Skipping what another request cleans at this moment: waiting for one another could end in a deadlock.
    gone = (await connection.scalars(expired.with_for_update(skip_locked=True))).all()
    await connection.execute(delete(UsedToken).where(UsedToken.jti.in_(gone)))
    await connection.execute(insert(UsedToken).values(jti=jti, expires_at=expires_at))
    return True


async def replace_factor(connection: AsyncConnection, user: Any, secret: str) -> bool:
    """Store another second factor; False if by now the user is not as the row says."""
    as_it_was = (User.password == user.password, User.otp_secret.is_not_distinct_from(user.otp_secret))
    statement = update(User).where(User.id == user.id, *as_it_was).values(otp_secret=secret, otp_last_counter=None)
    return (await connection.execute(statement)).rowcount == 1


async def _user(connection: AsyncConnection, condition: ColumnElement[bool]) -> Any | None:
    return (await connection.execute(select(*_COLUMNS).where(condition))).one_or_none()
