"""SQL of signing in: who has this name or key, and what is counted of attempts."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.model import Authenticatable, Node, Result, Role, Task, User, permission

users = User.__table__
nodes = Node.__table__


async def user_by_name(connection: AsyncConnection, username: str) -> Any | None:
    """Id, hash and failed attempts of the user of that name."""
    statement = select(users.c.id, users.c.password, users.c.failed_login_attempts, users.c.last_failed_login_at).where(
        users.c.username == username
    )
    return (await connection.execute(statement)).one_or_none()


async def node_by_key_id(connection: AsyncConnection, key_id: str) -> Any | None:
    """Id and slow hash (null for most) of the node with that key."""
    statement = select(nodes.c.id, nodes.c.api_key_hash).where(nodes.c.api_key_id == key_id)
    return (await connection.execute(statement)).one_or_none()


async def role_names(connection: AsyncConnection, user_id: int) -> list[str]:
    """The names of a user's roles."""
    statement = (
        select(Role.name)
        .join(permission, permission.c.role_id == Role.id)
        .where(permission.c.user_id == user_id)
        .order_by(Role.id)
    )
    return list(await connection.scalars(statement))


async def count_failure(connection: AsyncConnection, user_id: int, now: datetime, window_start: datetime) -> int:
    """Count one failed attempt in one statement, so that attempts at once all count; the number of them now."""
    recent = User.last_failed_login_at > window_start
    statement = (
        update(User)
        .where(User.id == user_id)
        .values(
            failed_login_attempts=case((recent, User.failed_login_attempts + 1), else_=1),
            last_failed_login_at=now,
        )
        .returning(users.c.failed_login_attempts)
    )
    return (await connection.execute(statement)).scalar_one_or_none() or 0


def is_locked(maximum: int, window_start: datetime) -> ColumnElement[bool]:
    """The condition on a user who failed too often of late."""
    return and_(
        User.failed_login_attempts >= maximum, func.coalesce(User.last_failed_login_at > window_start, literal(False))
    )


async def accept_user(
    connection: AsyncConnection, user_id: int, checked: str, stored: str, locked: ColumnElement[bool]
) -> bool:
    """Forget failures and keep the hash `stored`; False if by now the user is locked or the hash is not `checked`."""
    statement = (
        update(User)
        .where(User.id == user_id, User.password == checked, not_(locked))
        .values(failed_login_attempts=0, last_failed_login_at=None, password=stored)
    )
    return (await connection.execute(statement)).rowcount == 1


async def saw(connection: AsyncConnection, identity: int, now: datetime) -> None:
    """Note when somebody was last seen."""
    await connection.execute(update(Authenticatable).where(Authenticatable.id == identity).values(last_seen=now))


async def task_for_container(connection: AsyncConnection, task_id: int) -> Any | None:
    """Image, database and collaboration of a task, and whether anything in it is still open."""
    is_open = exists().where(Result.task_id == Task.id, Result.finished_at.is_(None))
    statement = select(Task.id, Task.image, Task.database, Task.collaboration_id, is_open.label("is_open")).where(
        Task.id == task_id
    )
    return (await connection.execute(statement)).one_or_none()
