"""What the database holds of that which an import file speaks of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, Table, select

from dataquality.jobs.importer.document import DETAILS, ImportFile
from dataquality.jobs.seed import ROOT_EMAIL, ROOT_USERNAME
from dataquality.model import Collaboration, Node, Organization, Role, User, member, permission
from dataquality.model.rules import ROLES, ROOT_ROLE

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
class KnownUser:
    """A user that exists, with the names of the roles."""

    organization_id: int
    details: dict[str, str | None]
    roles: frozenset[str]


@dataclass(frozen=True)
class KnownCollaboration:
    """A collaboration that exists."""

    id: int
    encrypted: bool
    members: frozenset[int]


@dataclass(frozen=True)
class Known:
    """All of it. Organizations are a list a name: names of organizations need not be unique."""

    organizations: dict[str, list[KnownOrganization]]
    users: dict[str, KnownUser]
    emails: dict[str, str]
    """E-mail address to username."""
    collaborations: dict[str, KnownCollaboration]
    nodes: dict[Pair, str] = field(default_factory=dict[Pair, str])
    """The `api_key_id` of each node in these collaborations."""
    keys: dict[str, Pair] = field(default_factory=dict[str, Pair])
    """Where the keys of the file are in use."""
    roles: dict[tuple[int | None, str], int] = field(default_factory=dict[tuple[int | None, str], int])
    """Roles by organization (None: there for all) and name."""

    def organization(self, name: str) -> KnownOrganization | None:
        """The one organization of that name."""
        found = self.organizations.get(name, [])
        return found[0] if len(found) == 1 else None


def known_after_seed() -> Known:
    """What a database holds that was emptied and seeded."""
    nothing = dict.fromkeys(DETAILS)
    root = KnownUser(0, {"firstname": None, "lastname": None, "email": ROOT_EMAIL}, frozenset({ROOT_ROLE}))
    return Known(
        organizations={ROOT_USERNAME: [KnownOrganization(0, nothing, None)]},
        users={ROOT_USERNAME: root},
        emails={ROOT_EMAIL: ROOT_USERNAME},
        collaborations={},
        roles={(None, role.name): 0 for role in ROLES},
    )


def load(connection: Connection, file: ImportFile, key_ids: Iterable[str]) -> Known:
    """What the database holds now."""
    organizations = _organizations(connection, _organization_names(file))
    collaborations = _collaborations(connection, {entry.name.value for entry in file.collaborations})
    organization_ids = [found.id for same_name in organizations.values() for found in same_name]
    return Known(
        organizations,
        _known_users(connection, {user.username.value for _, user in file.users}),
        _emails(connection, {user.email.value for _, user in file.users}),
        collaborations,
        _known_nodes(connection, [found.id for found in collaborations.values()]),
        _keys(connection, key_ids),
        _roles(connection, organization_ids),
    )


def _organization_names(file: ImportFile) -> set[str]:
    own = {entry.name.value for entry in file.organizations}
    return own | {participant.name.value for _, participant in file.participants}


def rows_in(connection: Connection, statement: Any, column: Any, values: Iterable[Any]) -> Iterator[Any]:
    """The statement's rows whose column has one of these values, a few hundred values at a time.

    An empty text stands for what is missing in the file, and is looked for nowhere.
    """
    for chunk in chunks(sorted(value for value in values if value != "")):
        yield from connection.execute(statement.where(column.in_(chunk)))


def chunks(values: Sequence[Any], size: int = _CHUNK) -> Iterator[Sequence[Any]]:
    """The values in order, some at a time."""
    return (values[start : start + size] for start in range(0, len(values), size))


def _organizations(connection: Connection, names: set[str]) -> dict[str, list[KnownOrganization]]:
    columns = [getattr(Organization, detail) for detail in DETAILS]
    statement = select(Organization.id, Organization.name, Organization.public_key, *columns).order_by(Organization.id)
    found: dict[str, list[KnownOrganization]] = {}
    for row in rows_in(connection, statement, Organization.name, names):
        details = {detail: getattr(row, detail) for detail in DETAILS}
        found.setdefault(row.name, []).append(KnownOrganization(row.id, details, row.public_key))
    return found


def _known_users(connection: Connection, names: set[str]) -> dict[str, KnownUser]:
    columns = (_users.c.username, _users.c.organization_id, _users.c.firstname, _users.c.lastname, _users.c.email)
    roles = _roles_of(connection, names)
    return {
        row.username: KnownUser(
            row.organization_id,
            {"firstname": row.firstname, "lastname": row.lastname, "email": row.email},
            frozenset(roles.get(row.username, ())),
        )
        for row in rows_in(connection, select(*columns), _users.c.username, names)
    }


def _roles_of(connection: Connection, names: set[str]) -> dict[str, set[str]]:
    statement = (
        select(_users.c.username, Role.name)
        .join(permission, permission.c.user_id == _users.c.id)
        .join(Role, Role.id == permission.c.role_id)
    )
    found: dict[str, set[str]] = {}
    for username, role in rows_in(connection, statement, _users.c.username, names):
        found.setdefault(username, set()).add(role)
    return found


def _emails(connection: Connection, emails: set[str]) -> dict[str, str]:
    statement = select(_users.c.email, _users.c.username)
    return {row.email: row.username for row in rows_in(connection, statement, _users.c.email, emails)}


def _collaborations(connection: Connection, names: set[str]) -> dict[str, KnownCollaboration]:
    statement = select(Collaboration.id, Collaboration.name, Collaboration.encrypted)
    rows = list(rows_in(connection, statement, Collaboration.name, names))
    members: dict[int, set[int]] = {row.id: set() for row in rows}
    inside = select(member.c.collaboration_id, member.c.organization_id)
    for row in rows_in(connection, inside, member.c.collaboration_id, members):
        members[row.collaboration_id].add(row.organization_id)
    return {row.name: KnownCollaboration(row.id, row.encrypted, frozenset(members[row.id])) for row in rows}


def _known_nodes(connection: Connection, collaboration_ids: Iterable[int]) -> dict[Pair, str]:
    statement = select(_nodes.c.organization_id, _nodes.c.collaboration_id, _nodes.c.api_key_id)
    rows = rows_in(connection, statement, _nodes.c.collaboration_id, collaboration_ids)
    return {(row.organization_id, row.collaboration_id): row.api_key_id for row in rows}


def _keys(connection: Connection, key_ids: Iterable[str]) -> dict[str, Pair]:
    statement = select(_nodes.c.organization_id, _nodes.c.collaboration_id, _nodes.c.api_key_id)
    rows = rows_in(connection, statement, _nodes.c.api_key_id, key_ids)
    return {row.api_key_id: (row.organization_id, row.collaboration_id) for row in rows}


def _roles(connection: Connection, organization_ids: list[int]) -> dict[tuple[int | None, str], int]:
    # The oldest of several roles of one name is taken: hence the order, and the first that comes stays.
    statement = select(Role.id, Role.name, Role.organization_id).order_by(Role.id)
    rows = [
        *connection.execute(statement.where(Role.organization_id.is_(None))),
        *rows_in(connection, statement, Role.organization_id, organization_ids),
    ]
    found: dict[tuple[int | None, str], int] = {}
    for row in rows:
        found.setdefault((row.organization_id, row.name), row.id)
    return found
