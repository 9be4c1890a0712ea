"""SQL of roles."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.auth.relations import Statement, role_relations
from dataquality.auth.role.policy import held_by, readable_by
from dataquality.auth.role.schemas import RoleFilter
from dataquality.core.callers import UserCaller
from dataquality.core.paging import Listing
from dataquality.core.query import like
from dataquality.model import Organization, Role, Rule, role_rule_association


def _select() -> Statement:
    return select(Role.id, Role.name, Role.description, Role.organization_id, *role_relations)


def listing(caller: UserCaller, wanted: RoleFilter) -> Listing:
    """The roles that the caller sees and asks for."""
    return Listing(_select(), Role.id, [readable_by(caller), *_conditions(wanted)])


def _conditions(wanted: RoleFilter) -> Iterable[ColumnElement[bool]]:
    for column, patterns in ((Role.name, wanted.name), (Role.description, wanted.description)):
        if patterns:
            yield or_(*(condition for pattern in patterns for condition in like(column, pattern)))
    if wanted.organization_id:
        of_none = [Role.organization_id.is_(None)] if wanted.include_root else []
        yield or_(Role.organization_id.in_(wanted.organization_id), *of_none)
    if wanted.rule_id is not None:
        yield Role.id.in_(
            select(role_rule_association.c.role_id).where(role_rule_association.c.rule_id == wanted.rule_id)
        )
    if wanted.user_id is not None:
        yield held_by(wanted.user_id)


async def find(connection: AsyncConnection, role_id: int) -> Any | None:
    """One role, whoever asks: check with `policy` before showing it."""
    return (await connection.execute(_select().where(Role.id == role_id))).one_or_none()


async def find_locked(connection: AsyncConnection, role_id: int) -> Any | None:
    """One role; others who want to change it wait."""
    return (await connection.execute(_select().where(Role.id == role_id).with_for_update())).one_or_none()


async def is_held_by(connection: AsyncConnection, role_id: int, user_id: int) -> bool:
    """True if the user has this role."""
    return await connection.scalar(select(Role.id).where(Role.id == role_id, held_by(user_id))) is not None


async def organization_exists(connection: AsyncConnection, organization_id: int) -> bool:
    """True if there is an organization with this id."""
    return await connection.scalar(select(Organization.id).where(Organization.id == organization_id)) is not None


async def rules_among(connection: AsyncConnection, rule_ids: Iterable[int]) -> set[int]:
    """Those of these rules that there are."""
    return set(await connection.scalars(select(Rule.id).where(Rule.id.in_(set(rule_ids)))))


async def rule_ids(connection: AsyncConnection, role_id: int) -> set[int]:
    """The rules in a role."""
    statement = select(role_rule_association.c.rule_id).where(role_rule_association.c.role_id == role_id)
    return set(await connection.scalars(statement))


async def add(connection: AsyncConnection, name: str, description: str, organization_id: int) -> int:
    """A new role without rules."""
    statement = insert(Role).values(name=name, description=description, organization_id=organization_id)
    return (await connection.execute(statement.returning(Role.id))).scalar_one()


async def change(connection: AsyncConnection, role_id: int, values: dict[str, Any]) -> None:
    """Change columns of a role."""
    if values:
        await connection.execute(update(Role).where(Role.id == role_id).values(**values))


async def replace_rules(connection: AsyncConnection, role_id: int, before: set[int], after: set[int]) -> None:
    """Put rules into a role and take others out."""
    links = role_rule_association
    if gone := before - after:
        await connection.execute(delete(links).where(links.c.role_id == role_id, links.c.rule_id.in_(gone)))
    if new := after - before:
        await connection.execute(insert(links), [{"role_id": role_id, "rule_id": rule} for rule in sorted(new)])


async def remove(connection: AsyncConnection, role_id: int) -> None:
    """Delete a role; nobody has it any more."""
    await connection.execute(delete(Role).where(Role.id == role_id))
