"""SQL of signing in: who has this name or key, and what is counted of attempts."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.addresses import Address
from dataquality.model import Authenticatable, Node, Result, Role, Task, User, permission

users = User.__table__
nodes = Node.__table__
_CREDENTIALS = (
    users.c.id,
    users.c.username,
    users.c.password,
    users.c.failed_login_attempts,
    users.c.last_failed_login_at,
    users.c.otp_secret,
    users.c.otp_last_counter,
)


@dataclass(frozen=True)
class UsedCode:
    """A right code of two-factor sign-in: of which secret, for which time step."""

    secret: str = field(repr=False)
    counter: int


async def user_by_name(connection: AsyncConnection, username: str) -> Any | None:
    """Id, name, hash, failed attempts and second factor of the user of that name."""
    return (await connection.execute(select(*_CREDENTIALS).where(users.c.username == username))).one_or_none()


async def user_by_id(connection: AsyncConnection, user_id: int) -> Any | None:
    """The same of the user with that id."""
    return (await connection.execute(select(*_CREDENTIALS).where(users.c.id == user_id))).one_or_none()


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


async def accept_user(
    connection: AsyncConnection,
    user_id: int,
    checked: str,
    stored: str,
    locked: ColumnElement[bool],
    code: UsedCode | None,
) -> bool:
    """Forget failures, keep the hash `stored` and the code's time step.

    False if by now the user is locked, the hash is not `checked`, or the code was used.
    """
    statement = (
        update(User)
        .where(User.id == user_id, User.password == checked, not_(locked))
        .values(failed_login_attempts=0, last_failed_login_at=None, password=stored)
    )
    if code is not None:
        unused = func.coalesce(User.otp_last_counter, 0) < code.counter
        statement = statement.where(User.otp_secret == code.secret, unused).values(otp_last_counter=code.counter)
    return (await connection.execute(statement)).rowcount == 1


async def enrol(
    connection: AsyncConnection, user_id: int, checked: str, locked: ColumnElement[bool], secret: str
) -> bool:
    """Store a user's first second factor; False if by now there is one, the user is locked, or the hash differs."""
    statement = update(User).where(
        User.id == user_id, User.password == checked, User.otp_secret.is_(None), not_(locked)
    )
    return (await connection.execute(statement.values(otp_secret=secret, otp_last_counter=None))).rowcount == 1


async def saw(connection: AsyncConnection, identity: int, now: datetime, address: Address | None) -> None:
    """Note when somebody was last seen, and where."""
    seen = {"last_seen": now} if address is None else {"last_seen": now, "ip": str(address)}
    await connection.execute(update(Authenticatable).where(Authenticatable.id == identity).values(seen))


async def task_for_container(connection: AsyncConnection, task_id: int, organization_id: int) -> Any | None:
    """Image, database and collaboration of a task, and whether this organization's part in it is still open."""
    its_part = (Result.task_id == Task.id, Result.organization_id == organization_id)
    is_open = exists().where(*its_part, Result.finished_at.is_(None))
    statement = select(Task.id, Task.image, Task.database, Task.collaboration_id, is_open.label("is_open")).where(
        Task.id == task_id
    )
    return (await connection.execute(statement)).one_or_none()
