"""What the database holds of that which an import file speaks of."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, Table, func, select

from dataquality.jobs.importer.document import DETAILS, ImportFile, RoleKey
from dataquality.jobs.importer.rules import rule_text
from dataquality.jobs.seed import ROOT_EMAIL, ROOT_USERNAME
from dataquality.model import (
    Collaboration,
    Node,
    Organization,
    Role,
    Rule,
    Task,
    User,
    member,
    permission,
    role_rule_association,
    userpermission,
)
from dataquality.model.rules import ROLES, ROOT_ROLE

TASK_NAME = "Example task"
# Databases limit how many values one statement may have.
_CHUNK = 500
_users = cast(Table, User.__table__)
_nodes = cast(Table, Node.__table__)
Pair = tuple[int, int]
"""An organization and a collaboration, by their ids."""


@dataclass(frozen=True)
class KnownOrganization:
    """An organization that exists."""

    id: int
    details: dict[str, str | None]
    public_key: bytes | None


@dataclass(frozen=True)
class KnownRole:
    """A role that exists; `rules` is empty unless the file defines the role."""

    id: int
    description: str | None = None
    rules: frozenset[str] = frozenset()


@dataclass(frozen=True)
class KnownUser:
    """A user that exists, with roles and rules."""

    id: int
    organization_id: int
    details: dict[str, str | None]
    roles: frozenset[RoleKey]
    rules: frozenset[str]


@dataclass(frozen=True)
class KnownCollaboration:
    """A collaboration that exists; `tasks` has the number of its example tasks by image."""

    id: int
    encrypted: bool
    members: frozenset[int]
    tasks: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True)
class KnownNode:
    """A node that exists."""

    id: int
    name: str | None
    api_key_id: str


@dataclass(frozen=True)
class Known:
    """All of it. Organizations are a list a name: names of organizations need not be unique."""

    organizations: dict[str, list[KnownOrganization]]
    users: dict[str, KnownUser]
    emails: dict[str, str]
    """E-mail address to username."""
    collaborations: dict[str, KnownCollaboration]
    nodes: dict[Pair, KnownNode] = field(default_factory=dict[Pair, KnownNode])
    """Those in these collaborations."""
    keys: dict[str, Pair] = field(default_factory=dict[str, Pair])
    """Where the keys of the file are in use, by `api_key_id`."""
    roles: dict[RoleKey, KnownRole] = field(default_factory=dict[RoleKey, KnownRole])
    """Those that are there for all, and those of these organizations."""

    def organization(self, name: str) -> KnownOrganization | None:
        """The one organization of that name."""
        found = self.organizations.get(name, [])
        return found[0] if len(found) == 1 else None


def known_after_seed() -> Known:
    """What a database holds that was emptied and seeded."""
    nothing = dict.fromkeys(DETAILS)
    details = {"firstname": None, "lastname": None, "email": ROOT_EMAIL}
    root = KnownUser(0, 0, details, frozenset({(None, ROOT_ROLE)}), frozenset())
    return Known(
        organizations={ROOT_USERNAME: [KnownOrganization(0, nothing, None)]},
        users={ROOT_USERNAME: root},
        emails={ROOT_EMAIL: ROOT_USERNAME},
        collaborations={},
        roles={(None, role.name): KnownRole(0, role.description) for role in ROLES},
    )


def load(connection: Connection, file: ImportFile, key_ids: Iterable[str]) -> Known:
    """What the database holds now."""
    organizations = _organizations(connection, _organization_names(file))
    collaborations = _collaborations(connection, {entry.name.value for entry in file.collaborations})
    return Known(
        organizations,
        _known_users(connection, {user.username.value for _, user in file.users}),
        _emails(connection, {user.email.value for _, user in file.users}),
        collaborations,
        _known_nodes(connection, [found.id for found in collaborations.values()]),
        _keys(connection, key_ids),
        _roles(connection, file, organizations),
    )


def rows_in(connection: Connection, statement: Any, column: Any, values: Iterable[Any]) -> Iterator[Any]:
    """The statement's rows whose column has one of these values, a few hundred values at a time.

    An empty text stands for what is missing in the file, and is looked for nowhere.
    """
    for chunk in chunks(sorted(value for value in values if value != "")):
        yield from connection.execute(statement.where(column.in_(chunk)))


def chunks(values: Sequence[Any], size: int = _CHUNK) -> Iterator[Sequence[Any]]:
    """The values in order, some at a time."""
    return (values[start : start + size] for start in range(0, len(values), size))


def _organization_names(file: ImportFile) -> set[str]:
    names = {entry.name.value for entry in file.organizations}
    names |= {participant.name.value for _, participant in file.participants}
    return names | {role.organization for _, user in file.users for role in user.roles or () if role.organization}


def _organizations(connection: Connection, names: set[str]) -> dict[str, list[KnownOrganization]]:
    columns = [getattr(Organization, detail) for detail in DETAILS]
    statement = select(Organization.id, Organization.name, Organization.public_key, *columns).order_by(Organization.id)
    found: dict[str, list[KnownOrganization]] = {}
    for row in rows_in(connection, statement, Organization.name, names):
        details = {detail: getattr(row, detail) for detail in DETAILS}
        found.setdefault(row.name, []).append(KnownOrganization(row.id, details, row.public_key))
    return found


def _known_users(connection: Connection, names: set[str]) -> dict[str, KnownUser]:
    columns = [_users.c[name] for name in ("id", "username", "organization_id", "firstname", "lastname", "email")]
    roles, rules = _roles_of(connection, names), _rules_of(connection, names)
    return {
        row.username: KnownUser(
            row.id,
            row.organization_id,
            {"firstname": row.firstname, "lastname": row.lastname, "email": row.email},
            frozenset(roles.get(row.username, ())),
            frozenset(rules.get(row.username, ())),
        )
        for row in rows_in(connection, select(*columns), _users.c.username, names)
    }


def _roles_of(connection: Connection, names: set[str]) -> dict[str, set[RoleKey]]:
    statement = (
        select(_users.c.username, Organization.name, Role.name)
        .select_from(_users)
        .join(permission, permission.c.user_id == _users.c.id)
        .join(Role, Role.id == permission.c.role_id)
        .outerjoin(Organization, Organization.id == Role.organization_id)
    )
    found: dict[str, set[RoleKey]] = {}
    for username, organization, role in rows_in(connection, statement, _users.c.username, names):
        found.setdefault(username, set()).add((organization, role))
    return found


def _rules_of(connection: Connection, names: set[str]) -> dict[str, set[str]]:
    statement = (
        select(_users.c.username, Rule.name, Rule.operation, Rule.scope)
        .select_from(_users)
        .join(userpermission, userpermission.c.user_id == _users.c.id)
        .join(Rule, Rule.id == userpermission.c.rule_id)
    )
    found: dict[str, set[str]] = {}
    for username, name, operation, scope in rows_in(connection, statement, _users.c.username, names):
        found.setdefault(username, set()).add(rule_text(name, operation, scope))
    return found


def _emails(connection: Connection, emails: set[str]) -> dict[str, str]:
    statement = select(_users.c.email, _users.c.username)
    return {row.email: row.username for row in rows_in(connection, statement, _users.c.email, emails)}


def _collaborations(connection: Connection, names: set[str]) -> dict[str, KnownCollaboration]:
    statement = select(Collaboration.id, Collaboration.name, Collaboration.encrypted)
    rows = list(rows_in(connection, statement, Collaboration.name, names))
    ids = [row.id for row in rows]
    members: dict[int, set[int]] = {identity: set() for identity in ids}
    inside = select(member.c.collaboration_id, member.c.organization_id)
    for row in rows_in(connection, inside, member.c.collaboration_id, ids):
        members[row.collaboration_id].add(row.organization_id)
    tasks = _tasks(connection, ids)
    return {
        row.name: KnownCollaboration(row.id, row.encrypted, frozenset(members[row.id]), tasks[row.id]) for row in rows
    }


def _tasks(connection: Connection, collaboration_ids: list[int]) -> dict[int, Counter[str]]:
    statement = (
        select(Task.collaboration_id, Task.image, func.count())
        .where(Task.name == TASK_NAME, Task.parent_id.is_(None), Task.image.is_not(None))
        .group_by(Task.collaboration_id, Task.image)
    )
    found = {identity: Counter[str]() for identity in collaboration_ids}
    for collaboration_id, image, number in rows_in(connection, statement, Task.collaboration_id, collaboration_ids):
        found[collaboration_id][image] = number
    return found


def _known_nodes(connection: Connection, collaboration_ids: Iterable[int]) -> dict[Pair, KnownNode]:
    rows = rows_in(connection, select(_nodes), _nodes.c.collaboration_id, collaboration_ids)
    return {(row.organization_id, row.collaboration_id): KnownNode(row.id, row.name, row.api_key_id) for row in rows}


def _keys(connection: Connection, key_ids: Iterable[str]) -> dict[str, Pair]:
    statement = select(_nodes.c.organization_id, _nodes.c.collaboration_id, _nodes.c.api_key_id)
    rows = rows_in(connection, statement, _nodes.c.api_key_id, key_ids)
    return {row.api_key_id: (row.organization_id, row.collaboration_id) for row in rows}


def _roles(
    connection: Connection, file: ImportFile, organizations: dict[str, list[KnownOrganization]]
) -> dict[RoleKey, KnownRole]:
    names = {found.id: name for name, same_name in organizations.items() for found in same_name}
    # The oldest of several roles of one name is taken: hence the order, and the first that comes stays.
    statement = select(Role.id, Role.name, Role.description, Role.organization_id).order_by(Role.id)
    found: dict[RoleKey, Any] = {}
    for row in connection.execute(statement.where(Role.organization_id.is_(None))):
        found.setdefault((None, row.name), row)
    for row in rows_in(connection, statement, Role.organization_id, names):
        found.setdefault((names[row.organization_id], row.name), row)
    defined = [found[owner, role.name.value].id for owner, role in file.all_roles if (owner, role.name.value) in found]
    rules = _rules_in(connection, defined)
    return {key: KnownRole(row.id, row.description, frozenset(rules.get(row.id, ()))) for key, row in found.items()}


def _rules_in(connection: Connection, role_ids: list[int]) -> dict[int, set[str]]:
    statement = select(role_rule_association.c.role_id, Rule.name, Rule.operation, Rule.scope).join(
        Rule, Rule.id == role_rule_association.c.rule_id
    )
    found: dict[int, set[str]] = {}
    for role_id, name, operation, scope in rows_in(connection, statement, role_rule_association.c.role_id, role_ids):
        found.setdefault(role_id, set()).add(rule_text(name, operation, scope))
    return found
