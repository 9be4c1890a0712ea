"""The database as a document that the import reads: see the importer's `document`. No secrets, no tasks."""

import base64
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from dataquality.jobs.exporter import rows
from dataquality.jobs.exporter.emit import Document
from dataquality.jobs.importer.document import DETAILS, NEW_KEY, NO_NODE, SUPER_ROLE
from dataquality.jobs.importer.names import default_node_name
from dataquality.jobs.importer.problems import quoted
from dataquality.jobs.importer.rules import ALL, RULE_TEXTS


class CannotExport(Exception):
    """The database holds what the form cannot tell; `problems` says what, and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the database cannot be exported")
        self.problems = problems


@dataclass(frozen=True)
class Export:
    """The document; how much of each kind is in it; and what people should know."""

    document: Document
    counts: dict[str, int]
    notes: list[str]


def read(connection: Connection) -> Export:
    """All of it. Raises CannotExport."""
    found = _Found(connection)
    problems = list(found.problems())
    if problems:
        raise CannotExport(problems)
    document = found.document()
    counts = {
        "organizations": len(found.organizations),
        "roles": len(found.roles),
        "users": len(found.users),
        "collaborations": len(found.collaborations),
        "nodes": len(found.nodes),
    }
    return Export(document, counts, list(found.notes()))


class _Found:
    """The rows, and what links them. Roles are those that are not built in."""

    def __init__(self, connection: Connection) -> None:
        self.organizations = rows.organizations(connection)
        self.roles = rows.roles(connection)
        self.users = rows.users(connection)
        self.collaborations = rows.collaborations(connection)
        self.nodes = rows.nodes(connection)
        self._names: dict[int | None, str | None] = {row.id: row.name for row in self.organizations}
        self._role_keys = rows.role_keys(connection)
        self._own_roles = set(self._role_keys.values())
        self._rules_of_roles = rows.rules_of_roles(connection)
        self._roles_of_users = rows.roles_of_users(connection)
        self._rules_of_users = rows.rules_of_users(connection)
        self._members = rows.members(connection)
        self._node_of = {(row.organization_id, row.collaboration_id): row for row in self.nodes}

    def problems(self) -> Iterator[str]:
        """Names that are missing, and names that several have: the form tells things by their names."""
        yield from _unnamed("organization", self.organizations)
        yield from _unnamed("role", self.roles)
        yield from _unnamed("collaboration", self.collaborations)
        for name, number in Counter(row.name for row in self.organizations if row.name).items():
            if number > 1:
                yield f"{number} organizations are named {quoted(name)}. Rename all but one of them over the API."
        for (owner, name), number in Counter((row.organization_id, row.name) for row in self.roles if row.name).items():
            if number > 1:
                of = f"of the organization {quoted(self._names[owner] or '')}" if owner else "that are there for all"
                yield f"{number} roles {of} are named {quoted(name)}. Rename all but one of them over the API."

    def notes(self) -> Iterator[str]:
        """What is left out."""
        for row in self.nodes:
            if row.organization_id not in self._members.get(row.collaboration_id, ()):
                organization = quoted(self._names[row.organization_id] or "")
                yield f"left out: the node {row.id} of {organization}, which left the node's collaboration"

    def document(self) -> Document:
        """The whole."""
        users, roles = _by(self.users, "organization_id"), _by(self.roles, "organization_id")
        shared = {"roles": [self._role(row) for row in roles[None]]} if roles[None] else {}
        return {
            **shared,
            "organizations": [self._organization(row, roles[row.id], users[row.id]) for row in self.organizations],
            "collaborations": [self._collaboration(row) for row in self.collaborations],
        }

    def _organization(self, row: Any, roles: list[Any], users: list[Any]) -> Document:
        key = {"public_key": base64.b64encode(row.public_key).decode()} if row.public_key else {}
        return {
            **_texts(row, "name", *DETAILS),
            **key,
            "roles": [self._role(role) for role in roles],
            **({"users": [self._user(user) for user in users]} if users else {}),
        }

    def _role(self, row: Any) -> Document:
        rules = self._rules_of_roles.get(row.id, [])
        return {**_texts(row, "name", "description"), "rules": ALL if len(rules) == len(RULE_TEXTS) else rules}

    def _user(self, row: Any) -> Document:
        rules = self._rules_of_users.get(row.id)
        roles = [self._role_of_user(row, role_id) for role_id in self._roles_of_users.get(row.id, [])]
        names = _texts(row, "username", "firstname", "lastname", "email")
        return {**names, "roles": roles, **({"rules": rules} if rules else {})}

    def _role_of_user(self, user: Any, role_id: int) -> str | Document:
        """By its name, where that is enough for the import to find it."""
        owner, name = self._role_keys[role_id]
        own_is_there = (user.organization_id, name) in self._own_roles or name == SUPER_ROLE
        if owner == user.organization_id or (owner is None and not own_is_there):
            return name
        return {"name": name, "organization": self._names[owner] if owner else None}

    def _collaboration(self, row: Any) -> Document:
        members = self._members.get(row.id, [])
        return {
            "name": row.name,
            "encrypted": row.encrypted,
            "participants": [self._participant(row, organization_id) for organization_id in members],
        }

    def _participant(self, collaboration: Any, organization_id: int) -> Document:
        node = self._node_of.get((organization_id, collaboration.id))
        name = self._names[organization_id] or ""
        named = {"node_name": node.name} if node and node.name not in _plain(name, collaboration.name) else {}
        return {"name": name, "api_key": NEW_KEY if node else NO_NODE, **named}


def _plain(organization: str, collaboration: str) -> tuple[str | None, ...]:
    return (None, "", default_node_name(organization, collaboration))


def _texts(row: Any, *columns: str) -> Document:
    return {column: value for column in columns if (value := getattr(row, column))}


def _by(found: Iterable[Any], column: str) -> "defaultdict[int | None, list[Any]]":
    groups: defaultdict[int | None, list[Any]] = defaultdict(list)
    for row in found:
        groups[getattr(row, column)].append(row)
    return groups


def _unnamed(kind: str, found: Iterable[Any]) -> Iterator[str]:
    return (f"The {kind} {row.id} has no name. Give it one over the API." for row in found if not row.name)
