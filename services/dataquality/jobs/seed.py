"""What must be in every database: the rules, the built-in roles, and somebody who can log in."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, literal, select, update

from dataquality.core.first_password import FIRST_ROOT_PASSWORD, ROOT_USERNAME
from dataquality.core.mail import PLACEHOLDER
from dataquality.model import (
    ROOT_PASSWORD_IS_DEFAULT,
    Authenticatable,
    Organization,
    Role,
    Rule,
    ServerState,
    User,
    new_stamp,
    permission,
    role_rule_association,
)
from dataquality.model.rules import ROLES, ROOT_ROLE, RULES, RoleSpec, RuleSpec

ROOT_EMAIL = PLACEHOLDER

HashPassword = Callable[[str], str]
RuleIds = dict[RuleSpec, int]


@dataclass(frozen=True)
class Seeded:
    """What was missing and is there now."""

    rules: int
    roles: int
    root_user: bool

    def __str__(self) -> str:
        parts = [f"{self.rules} rules"] if self.rules else []
        parts += [f"{self.roles} roles"] if self.roles else []
        parts += ["the user root"] if self.root_user else []
        return "added " + ", ".join(parts) if parts else "no rule, role or root user was missing"


def seed(connection: Connection, hash_password: HashPassword) -> Seeded:
    """Add what is missing, in the caller's transaction and under its lock. Doing it again changes nothing."""
    new_rules = _add_rules(connection)
    new_roles = _add_roles(connection, new_rules)
    return Seeded(len(new_rules), new_roles, _add_root_user(connection, hash_password))


def root_password_is_default(connection: Connection) -> bool:
    """True until the first user's password was changed."""
    query = select(ServerState.value).where(ServerState.key == ROOT_PASSWORD_IS_DEFAULT)
    return connection.scalar(query) == "true"


def _rule_ids(connection: Connection) -> RuleIds:
    rows = connection.execute(select(Rule.name, Rule.operation, Rule.scope, Rule.id))
    return {RuleSpec(name, operation, scope): rule_id for name, operation, scope, rule_id in rows}


def _add_rules(connection: Connection) -> set[RuleSpec]:
    known = _rule_ids(connection)
    missing = [rule for rule in RULES if rule not in known]
    rows = [{"name": r.name, "operation": r.operation, "scope": r.scope, "description": r.description} for r in missing]
    if rows:
        # Sorted: the ids follow the order of RULES.
        connection.execute(insert(Rule).returning(Rule.id, sort_by_parameter_order=True), rows)
    return set(missing)


def _add_roles(connection: Connection, new_rules: set[RuleSpec]) -> int:
    """Add missing roles, give new rules to those that grow, and say how many roles are new."""
    ids = _rule_ids(connection)
    rows = connection.execute(select(Role.name, Role.id).where(Role.organization_id.is_(None)))
    known = {row.name: row.id for row in rows}
    for role in ROLES:
        if role.name not in known:
            _give(connection, _add_role(connection, role), (ids[rule] for rule in role.rules))
        elif role.grows and new_rules.intersection(role.rules):
            _give(connection, known[role.name], (ids[rule] for rule in role.rules if rule in new_rules))
            _void_cached_rights(connection)
    return sum(role.name not in known for role in ROLES)


def _add_role(connection: Connection, role: RoleSpec) -> int:
    statement = insert(Role).values(name=role.name, description=role.description).returning(Role.id)
    return connection.execute(statement).scalar_one()


def _give(connection: Connection, role_id: int, rule_ids: Iterable[int]) -> None:
    rows = [{"role_id": role_id, "rule_id": rule_id} for rule_id in rule_ids]
    connection.execute(insert(role_rule_association), rows)


def _void_cached_rights(connection: Connection) -> None:
    connection.execute(update(Authenticatable).values(stamp=new_stamp()))


def _add_root_user(connection: Connection, hash_password: HashPassword) -> bool:
    # A root user that an administrator removed must not come back with the password that everybody knows.
    if connection.scalar(select(User.id).limit(1)) is not None:
        return False
    user_id = _insert_root(connection, hash_password(FIRST_ROOT_PASSWORD))
    root_role = select(Role.id, literal(user_id)).where(Role.name == ROOT_ROLE, Role.organization_id.is_(None))
    connection.execute(insert(permission).from_select(["role_id", "user_id"], root_role))
    connection.execute(delete(ServerState).where(ServerState.key == ROOT_PASSWORD_IS_DEFAULT))
    connection.execute(insert(ServerState).values(key=ROOT_PASSWORD_IS_DEFAULT, value="true"))
    return True


def _insert_root(connection: Connection, password_hash: str) -> int:
    identity = insert(Authenticatable).values(type="user").returning(Authenticatable.id)
    user_id = connection.execute(identity).scalar_one()
    connection.execute(
        insert(User).values(
            id=user_id,
            username=ROOT_USERNAME,
            password=password_hash,
            email=ROOT_EMAIL,
            organization_id=_root_organization(connection),
        )
    )
    return user_id


def _root_organization(connection: Connection) -> int:
    """The organization named root; one that is left from deleted users is used again."""
    known = select(Organization.id).where(Organization.name == ROOT_USERNAME).order_by(Organization.id)
    found = connection.scalars(known).first()
    if found is not None:
        return found
    return connection.execute(insert(Organization).values(name=ROOT_USERNAME).returning(Organization.id)).scalar_one()
