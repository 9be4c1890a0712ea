"""SQL of changing one's own password."""

from sqlalchemy import ColumnElement, not_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.auth.rights.stamps import void_user
from dataquality.core.first_password import ended_by
from dataquality.model import User

users = User.__table__


async def replace(
    connection: AsyncConnection, user_id: int, checked: str, stored: str, locked: ColumnElement[bool] | None = None
) -> bool:
    """Store another hash; False if by now the stored one is not `checked` any more, or the user is `locked`."""
    statement = update(User).where(User.id == user_id, User.password == checked)
    if locked is not None:
        statement = statement.where(not_(locked))
    statement = statement.values(password=stored, failed_login_attempts=0, last_failed_login_at=None)
    return (await connection.execute(statement)).rowcount == 1


async def forget_first_password(connection: AsyncConnection, user_id: int) -> None:
    """If this user is root (or root has another name by now), its password is no longer the first one.

    What was remembered of its rights is void: they say that it may do nothing else.
    """
    if (await connection.execute(ended_by(user_id))).rowcount:
        await void_user(connection, user_id)
