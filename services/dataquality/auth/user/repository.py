"""SQL of users."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.auth.relations import Statement, user_relations
from dataquality.auth.user.policy import readable_by
from dataquality.auth.user.schemas import UserFilter
from dataquality.core.callers import UserCaller
from dataquality.core.paging import Listing
from dataquality.core.query import between, equal, like
from dataquality.model import Authenticatable, Organization, Role, Rule, User, permission, userpermission


def _select() -> Statement:
    # The columns of the contract, one by one: a hash or a secret gets out only if somebody writes it here.
    return select(
        User.id,
        User.username,
        User.firstname,
        User.lastname,
        User.email,
        User.organization_id,
        User.ip,
        User.status,
        User.last_seen,
        *user_relations,
    )


def listing(caller: UserCaller, wanted: UserFilter) -> Listing:
    """The users that the caller sees and asks for."""
    return Listing(_select(), User.id, [readable_by(caller), *_conditions(wanted)])


def _conditions(wanted: UserFilter) -> Iterable[ColumnElement[bool]]:
    for column in (User.username, User.firstname, User.lastname, User.email):
        yield from like(column, getattr(wanted, column.key))
    yield from equal(User.organization_id, wanted.organization_id)
    yield from between(User.last_seen, wanted.last_seen_from, wanted.last_seen_till)
    for links, link, identity in (
        (permission, permission.c.role_id, wanted.role_id),
        (userpermission, userpermission.c.rule_id, wanted.rule_id),
    ):
        if identity is not None:
            yield User.id.in_(select(links.c.user_id).where(link == identity))


async def find(connection: AsyncConnection, user_id: int) -> Any | None:
    """One user, whoever asks: check with `policy` before showing it."""
    return (await connection.execute(_select().where(User.id == user_id))).one_or_none()


async def lock(connection: AsyncConnection, user_id: int) -> None:
    """Have those who change the same user wait for one another."""
    await connection.execute(select(Authenticatable.id).where(Authenticatable.id == user_id).with_for_update())


async def organization_exists(connection: AsyncConnection, organization_id: int) -> bool:
    """True if there is an organization with this id."""
    return await connection.scalar(select(Organization.id).where(Organization.id == organization_id)) is not None


async def is_taken(connection: AsyncConnection, column: str, value: str, by_other_than: int | None = None) -> bool:
    """True if another user has this username or e-mail."""
    conditions = [User.__table__.c[column] == value]
    if by_other_than is not None:
        conditions.append(User.__table__.c.id != by_other_than)
    return await connection.scalar(select(User.__table__.c.id).where(*conditions)) is not None


async def add(connection: AsyncConnection, **values: Any) -> int:
    """A new user; `password` is a hash."""
    statement = insert(Authenticatable).values(type="user").returning(Authenticatable.id)
    user_id = (await connection.execute(statement)).scalar_one()
    await connection.execute(insert(User).values(id=user_id, **values))
    return user_id


async def change(connection: AsyncConnection, user_id: int, values: dict[str, Any]) -> None:
    """Change columns of a user."""
    if values:
        await connection.execute(update(User).where(User.id == user_id).values(**values))


async def remove(connection: AsyncConnection, user_id: int) -> None:
    """Delete a user, with all sessions; tasks stay."""
    await connection.execute(delete(Authenticatable).where(Authenticatable.id == user_id))


async def roles_among(connection: AsyncConnection, role_ids: Iterable[int]) -> dict[int, int | None]:
    """Those of these roles that there are, and whose they are."""
    rows = await connection.execute(select(Role.id, Role.organization_id).where(Role.id.in_(set(role_ids))))
    return {row.id: row.organization_id for row in rows}


async def rules_among(connection: AsyncConnection, rule_ids: Iterable[int]) -> set[int]:
    """Those of these rules that there are."""
    return set(await connection.scalars(select(Rule.id).where(Rule.id.in_(set(rule_ids)))))


async def role_ids(connection: AsyncConnection, user_id: int) -> set[int]:
    """The roles of a user."""
    return set(await connection.scalars(select(permission.c.role_id).where(permission.c.user_id == user_id)))


async def rule_ids(connection: AsyncConnection, user_id: int) -> set[int]:
    """The rules that a user has without a role."""
    return set(await connection.scalars(select(userpermission.c.rule_id).where(userpermission.c.user_id == user_id)))


async def replace_roles(connection: AsyncConnection, user_id: int, before: set[int], after: set[int]) -> None:
    """Give and take roles."""
    await _replace(connection, permission, "role_id", user_id, before, after)


async def replace_rules(connection: AsyncConnection, user_id: int, before: set[int], after: set[int]) -> None:
    """Give and take rules."""
    await _replace(connection, userpermission, "rule_id", user_id, before, after)


async def _replace(
    connection: AsyncConnection, links: Table, item: str, user_id: int, before: set[int], after: set[int]
) -> None:
    if gone := before - after:
        await connection.execute(delete(links).where(links.c.user_id == user_id, links.c[item].in_(gone)))
    if new := after - before:
        await connection.execute(insert(links), [{item: identity, "user_id": user_id} for identity in sorted(new)])
