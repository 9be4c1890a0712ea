"""Rights straight from the database: what other services ask for over HTTP, and this one reads itself."""

from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, and_, exists, false, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.auth.relations import Statement
from dataquality.core.database import Database
from dataquality.core.errors import Unauthorized
from dataquality.core.first_password import ROOT_USERNAME
from dataquality.core.permissions import Grant, IdentityKind, Permissions, Stamped
from dataquality.model import (
    ROOT_PASSWORD_IS_DEFAULT,
    Authenticatable,
    Role,
    Rule,
    ServerState,
    User,
    permission,
    role_rule_association,
    userpermission,
)
from dataquality.model.rules import CONTAINER_ROLE, NODE_ROLE

_ROLES: dict[IdentityKind, str] = {"node": NODE_ROLE, "container": CONTAINER_ROLE}


class DatabasePermissions:
    """A PermissionSource that asks the database each time: one statement by primary keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def permissions(self, kind: IdentityKind, identity: int, stamp: int) -> Permissions:
        """What this identity may do now. Raises Unauthorized when it has just gone."""
        async with self._database.reading() as connection:
            found = await read_rights(connection, kind, identity)
        if found is None:
            raise Unauthorized(f"This {kind} no longer exists. Sign in again.")
        return found.permissions


async def read_rights(connection: AsyncConnection, kind: IdentityKind, identity: int) -> Stamped | None:
    """The rights and the stamp of a user or a node (a container's: its node's id); None when it is gone.

    One statement: a stamp from one moment with rights from another would be remembered wrongly.
    """
    held = (_of_user(identity) if kind == "user" else _of_role(_ROLES[kind])).subquery()
    first = has_first_password(identity) if kind == "user" else false()
    statement = (
        select(Authenticatable.stamp, Rule.name, Rule.scope, Rule.operation, first.label("first"))
        .select_from(Authenticatable.__table__)
        .outerjoin(held, true())
        .outerjoin(Rule.__table__, Rule.id == held.c.rule_id)
        .where(Authenticatable.id == identity, Authenticatable.type == ("user" if kind == "user" else "node"))
    )
    rows = (await connection.execute(statement)).all()
    if not rows:
        return None
    grants = frozenset(Grant(row.name, row.scope, row.operation) for row in rows if row.name is not None)
    return Stamped(rows[0].stamp, Permissions(grants, bool(rows[0].first)))


def has_first_password(identity: int) -> ColumnElement[bool]:
    """The condition that this user is the first one and has the password that the server gave it."""
    is_default = exists().where(ServerState.key == ROOT_PASSWORD_IS_DEFAULT, ServerState.value == "true")
    is_root = exists().where(User.__table__.c.id == identity, User.__table__.c.username == ROOT_USERNAME)
    return and_(is_default, is_root)


def _of_user(identity: int) -> CompoundSelect[*tuple[Any, ...]]:
    through_roles = (
        select(role_rule_association.c.rule_id)
        .join(permission, permission.c.role_id == role_rule_association.c.role_id)
        .where(permission.c.user_id == identity)
    )
    return through_roles.union(select(userpermission.c.rule_id).where(userpermission.c.user_id == identity))


def _of_role(name: str) -> Statement:
    return (
        select(role_rule_association.c.rule_id)
        .join(Role.__table__, Role.id == role_rule_association.c.role_id)
        .where(Role.name == name, Role.organization_id.is_(None))
    )


async def grants_where(connection: AsyncConnection, condition: ColumnElement[bool]) -> set[Grant]:
    """The grants that the rules under this condition stand for."""
    rows = await connection.execute(select(Rule.name, Rule.scope, Rule.operation).where(condition))
    return {Grant(row.name, row.scope, row.operation) for row in rows}


async def grants_of_rules(connection: AsyncConnection, rule_ids: set[int]) -> set[Grant]:
    """The grants of these rules."""
    return await grants_where(connection, Rule.id.in_(rule_ids))


async def grants_of_roles(connection: AsyncConnection, role_ids: set[int]) -> set[Grant]:
    """The grants of all these roles together."""
    rules = select(role_rule_association.c.rule_id).where(role_rule_association.c.role_id.in_(role_ids))
    return await grants_where(connection, Rule.id.in_(rules))


async def grants_of_user(connection: AsyncConnection, user_id: int) -> set[Grant]:
    """All that a user holds, through roles and without."""
    return await grants_where(connection, Rule.id.in_(_of_user(user_id)))
