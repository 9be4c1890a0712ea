"""What an export reads: one statement each, in the order of the ids."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, not_, select

from dataquality.jobs.importer.rows import table
from dataquality.jobs.importer.rules import RULE_TEXTS, rule_text
from dataquality.model import (
    Collaboration,
    Node,
    Organization,
    Role,
    Rule,
    User,
    member,
    permission,
    role_rule_association,
    userpermission,
)
from dataquality.model.rules import BUILT_IN_ROLES

_built_in = and_(Role.organization_id.is_(None), Role.name.in_(BUILT_IN_ROLES))


def organizations(connection: Connection) -> Sequence[Any]:
    """All organizations."""
    return _all(connection, Organization)


def roles(connection: Connection) -> Sequence[Any]:
    """All roles that are not built in."""
    statement = select(table(Role)).where(not_(_built_in)).order_by(Role.id)
    return connection.execute(statement).all()


def role_keys(connection: Connection) -> dict[int, tuple[int | None, str]]:
    """Organization and name of every role, the built-in ones too."""
    rows = connection.execute(select(Role.id, Role.organization_id, Role.name))
    return {row.id: (row.organization_id, row.name) for row in rows}


def users(connection: Connection) -> Sequence[Any]:
    """All users."""
    columns = ("id", "username", "firstname", "lastname", "email", "organization_id")
    statement = select(*(table(User).c[column] for column in columns)).order_by(table(User).c.id)
    return connection.execute(statement).all()


def collaborations(connection: Connection) -> Sequence[Any]:
    """All collaborations."""
    return _all(connection, Collaboration)


def nodes(connection: Connection) -> Sequence[Any]:
    """All nodes."""
    columns = (table(Node).c[column] for column in ("id", "name", "organization_id", "collaboration_id"))
    return connection.execute(select(*columns).order_by(table(Node).c.id)).all()


def members(connection: Connection) -> dict[int, list[int]]:
    """Organizations by collaboration."""
    statement = select(member.c.collaboration_id, member.c.organization_id).order_by(member.c.organization_id)
    return _grouped(connection.execute(statement))


def roles_of_users(connection: Connection) -> dict[int, list[int]]:
    """Roles by user."""
    statement = select(permission.c.user_id, permission.c.role_id).order_by(permission.c.role_id)
    return _grouped(connection.execute(statement))


def rules_of_users(connection: Connection) -> dict[int, list[str]]:
    """Rules that users have beside those of their roles."""
    statement = (
        select(userpermission.c.user_id, Rule.name, Rule.operation, Rule.scope)
        .join(Rule, Rule.id == userpermission.c.rule_id)
        .order_by(Rule.id)
    )
    return _grouped((row[0], rule_text(*row[1:])) for row in connection.execute(statement))


def rules_of_roles(connection: Connection) -> dict[int, list[str]]:
    """Rules of the roles that are not built in; read one by one only for roles that do not have all."""
    link = role_rule_association.c
    having = select(link.role_id).group_by(link.role_id)
    whole = connection.scalars(having.having(func.count() >= len(RULE_TEXTS)))
    partial = (
        select(link.role_id, Rule.name, Rule.operation, Rule.scope)
        .join(Rule, Rule.id == link.rule_id)
        .join(Role, Role.id == link.role_id)
        .where(not_(_built_in), link.role_id.in_(having.having(func.count() < len(RULE_TEXTS))))
        .order_by(Rule.id)
    )
    found = _grouped((row[0], rule_text(*row[1:])) for row in connection.execute(partial))
    return {role_id: list(RULE_TEXTS) for role_id in whole} | found


def _all(connection: Connection, model: Any) -> Sequence[Any]:
    return connection.execute(select(table(model)).order_by(table(model).c.id)).all()


def _grouped(pairs: Iterable[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
