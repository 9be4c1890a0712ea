"""Where what exists is otherwise than the file has it: refused, or with `--update` made as the file has it.

Empty and missing values of the file say nothing. Passwords and API keys of what exists are never compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from dataquality.jobs.importer.clashes import role_keys
from dataquality.jobs.importer.document import (
    CollaborationEntry,
    ImportFile,
    OrganizationEntry,
    RoleEntry,
    RoleKey,
    UserEntry,
)
from dataquality.jobs.importer.known import Known, KnownOrganization, KnownRole, KnownUser
from dataquality.jobs.importer.names import node_name, role_name
from dataquality.jobs.importer.problems import Place, Problem, quoted
from dataquality.jobs.importer.reader import Text
from dataquality.jobs.importer.rules import RULE_TEXTS
from dataquality.model.rules import BUILT_IN_ROLES

Kind = Literal["organizations", "roles", "users", "collaborations", "nodes"]
_AGREE = "Make the file agree, or import it with --update to change what exists"


@dataclass(frozen=True)
class Columns:
    """Another value in a column; `old` is what is there now."""

    column: str
    value: str | bytes | bool
    old: str | bytes | bool | None = None


@dataclass(frozen=True)
class Roles:
    """Other roles of a user."""

    keys: frozenset[RoleKey]


@dataclass(frozen=True)
class Rules:
    """Other rules of a role or of a user."""

    rules: frozenset[str]


@dataclass(frozen=True)
class Difference:
    """One: of what (kind, id, and its name for people), how to say so, and what would make it agree."""

    kind: Kind
    id: int
    name: str
    problem: Problem
    change: Columns | Roles | Rules


@dataclass(frozen=True)
class _Subject:
    """What exists, and how it is called in a problem."""

    kind: Kind
    id: int
    name: str
    shown: str

    def difference(self, place: Place, what: str, change: Columns | Roles | Rules) -> Difference:
        return Difference(self.kind, self.id, self.name, Problem(place, f"{self.shown} {what}", _AGREE), change)

    def texts(self, given: Mapping[str, Text], found: Mapping[str, str | None]) -> Iterator[Difference]:
        for key, text in given.items():
            if text.value and text.value != (found[key] or ""):
                has = quoted(value) if (value := found[key]) else "nothing"
                yield self.difference(text.place, f"exists with another {key} ({has})", Columns(key, text.value))


def differences(file: ImportFile, known: Known) -> Iterator[Difference]:
    """All that differ, save public keys."""
    for owner, role in file.all_roles:
        found = known.roles.get((owner, role.name.value))
        # A built-in role is a problem in any case, and not one that could be helped.
        if found and (owner or role.name.value not in BUILT_IN_ROLES):
            yield from _role((owner, role.name.value), role, found)
    for entry in file.organizations:
        if organization := known.organization(entry.name.value):
            yield from _subject(entry, organization).texts(entry.details, organization.details)
    keys = role_keys(file, known)
    for entry, user in file.users:
        if existing := known.users.get(user.username.value):
            yield from _user(entry, user, existing, keys)
    for entry in file.collaborations:
        yield from _collaboration(entry, known)


def other_keys(file: ImportFile, known: Known) -> Iterator[Difference]:
    """Public keys that are other ones by now: nodes replace them, so that is no problem."""
    for entry in file.organizations:
        found = known.organization(entry.name.value)
        if found and entry.public_key not in (None, found.public_key):
            change = Columns("public_key", entry.public_key or b"", found.public_key)
            yield _subject(entry, found).difference(entry.key_place, "exists with another public_key", change)


def _subject(entry: OrganizationEntry, found: KnownOrganization) -> _Subject:
    name = entry.name.value
    return _Subject("organizations", found.id, name, f"the organization {quoted(name)}")


def _role(key: RoleKey, role: RoleEntry, found: KnownRole) -> Iterator[Difference]:
    subject = _Subject("roles", found.id, role_name(key), f"the role {quoted(role.name.value)}")
    yield from subject.texts({"description": role.description}, {"description": found.description})
    wanted = frozenset(RULE_TEXTS) if role.rules is None else role.rules
    if wanted != found.rules:
        yield subject.difference(role.name.place, f"exists with other rules ({len(found.rules)})", Rules(wanted))


def _user(entry: OrganizationEntry, user: UserEntry, found: KnownUser, keys: set[RoleKey]) -> Iterator[Difference]:
    name = user.username.value
    subject = _Subject("users", found.id, name, f"the user {quoted(name)}")
    given = {"firstname": user.firstname, "lastname": user.lastname, "email": user.email}
    yield from subject.texts(given, found.details)
    wanted = frozenset(role.key(entry.name.value, keys) for role in user.roles or ())
    if user.roles is not None and wanted != found.roles:
        place = user.roles[0].name.place if user.roles else user.username.place
        has = ", ".join(sorted(quoted(name) for _, name in found.roles)) or "none"
        yield subject.difference(place, f"exists with other roles ({has})", Roles(wanted))
    rules = frozenset(rule.value for rule in user.rules or ())
    if user.rules is not None and rules != found.rules:
        place = user.rules[0].place if user.rules else user.username.place
        has = ", ".join(sorted(found.rules)) or "none"
        yield subject.difference(place, f"exists with other rules of its own ({has})", Rules(rules))


def _collaboration(entry: CollaborationEntry, known: Known) -> Iterator[Difference]:
    found = known.collaborations.get(entry.name.value)
    if found is None:
        return
    name = entry.name.value
    if entry.encrypted not in (None, found.encrypted):
        subject = _Subject("collaborations", found.id, name, f"the collaboration {quoted(name)}")
        state = "encrypted" if found.encrypted else "not encrypted"
        change = Columns("encrypted", bool(entry.encrypted), found.encrypted)
        yield subject.difference(entry.name.place, f"exists and is {state}", change)
    for participant in entry.participants:
        organization = known.organization(participant.name.value)
        node = known.nodes.get((organization.id, found.id)) if organization else None
        if node and participant.node_name.value:
            shown = f"the node of {quoted(participant.name.value)} in this collaboration"
            subject = _Subject("nodes", node.id, node_name(participant, entry), shown)
            yield from subject.texts({"node_name": participant.node_name}, {"node_name": node.name})
