"""SQL of changing one's own password."""

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.model import ROOT_PASSWORD_IS_DEFAULT, ServerState, User

users = User.__table__
ROOT_USERNAME = "root"


async def replace(connection: AsyncConnection, user_id: int, checked: str, stored: str) -> bool:
    """Store another hash; False if by now the stored one is not `checked` any more."""
    statement = update(User).where(User.id == user_id, User.password == checked)
    statement = statement.values(password=stored, failed_login_attempts=0, last_failed_login_at=None)
    return (await connection.execute(statement)).rowcount == 1


async def forget_root_warning(connection: AsyncConnection, user_id: int) -> None:
    """If this user is root, its password is no longer the first one."""
    is_root = select(users.c.id).where(users.c.id == user_id, users.c.username == ROOT_USERNAME).exists()
    await connection.execute(delete(ServerState).where(ServerState.key == ROOT_PASSWORD_IS_DEFAULT, is_root))
