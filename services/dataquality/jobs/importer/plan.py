"""What an import would do: found by comparing, before anything is written."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dataquality.jobs.importer.differences import Difference
from dataquality.jobs.importer.document import (
    SUPER_ROLE,
    CollaborationEntry,
    ImportFile,
    OrganizationEntry,
    Participant,
    RoleEntry,
    RoleKey,
    UserEntry,
)
from dataquality.jobs.importer.known import Known
from dataquality.jobs.importer.names import node_name, role_name

KINDS = ("organizations", "roles", "users", "collaborations", "nodes", "tasks")


@dataclass
class Tally:
    """What is new, changed and left of one kind, by its name for people."""

    created: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    unchanged: list[str] = field(default_factory=list[str])

    @classmethod
    def of(cls, named: Iterable[tuple[str, bool]], changed: set[str]) -> "Tally":
        """From names, each with whether it is new, and the names of what is changed."""
        tally = cls()
        for name, is_new in named:
            group = tally.created if is_new else tally.changed if name in changed else tally.unchanged
            group.append(name)
        return tally


# asyncio writes out the result of a task that has ended, read or not; this one may hold a whole file.
@dataclass(frozen=True, repr=False)
class Plan:
    """What is to be written. Roles without an entry are `super` with all rules."""

    organizations: list[OrganizationEntry]
    roles: list[tuple[RoleKey, RoleEntry | None]]
    users: list[tuple[OrganizationEntry, UserEntry]]
    collaborations: list[CollaborationEntry]
    members: list[tuple[CollaborationEntry, Participant]]
    nodes: list[tuple[CollaborationEntry, Participant]]
    tasks: list[tuple[CollaborationEntry, str]]
    differences: list[Difference]
    tallies: dict[str, Tally]

    @property
    def changes_something(self) -> bool:
        """False when all is there already."""
        return any(tally.created or tally.changed for tally in self.tallies.values())

    def names(self) -> dict[str, dict[str, list[str]]]:
        """Kind to names."""
        return {kind: vars(self.tallies[kind]) for kind in KINDS}

    def counts(self) -> dict[str, Any]:
        """Kind to numbers."""
        return {kind: {key: len(names) for key, names in tally.items()} for kind, tally in self.names().items()}


def make_plan(file: ImportFile, known: Known, differences: list[Difference]) -> Plan:
    """The plan for a file that does not clash. `differences` are those that are to be made away with."""
    changed = _changed(differences)
    roles = _roles(file, known)
    users = [(user.username.value, user.username.value not in known.users) for _, user in file.users]
    members = [pair for pair in file.participants if _is_new_member(*pair, known)]
    joined = {entry.name.value for entry, _ in members if entry.name.value in known.collaborations}
    nodes = [(entry, participant) for entry, participant in file.participants if participant.node != "none"]
    tasks = [(entry, image, is_new) for entry in file.collaborations for image, is_new in _tasks(entry, known)]
    return Plan(
        organizations=[entry for entry in file.organizations if entry.name.value not in known.organizations],
        roles=[(key, role) for key, role in roles if key not in known.roles],
        users=[pair for pair in file.users if pair[1].username.value not in known.users],
        collaborations=[entry for entry in file.collaborations if entry.name.value not in known.collaborations],
        members=members,
        nodes=[pair for pair in nodes if not _has_node(*pair, known)],
        tasks=[(entry, image) for entry, image, is_new in tasks if is_new],
        differences=differences,
        tallies={
            "organizations": Tally.of(_named(file.organizations, known.organizations), changed["organizations"]),
            "roles": Tally.of(((role_name(key), key not in known.roles) for key, _ in roles), changed["roles"]),
            "users": Tally.of(users, changed["users"]),
            "collaborations": Tally.of(
                _named(file.collaborations, known.collaborations), changed["collaborations"] | joined
            ),
            "nodes": Tally.of(((node_name(p, e), not _has_node(e, p, known)) for e, p in nodes), changed["nodes"]),
            "tasks": Tally.of(((f"{image} in {entry.name.value}", new) for entry, image, new in tasks), set()),
        },
    )


def _changed(differences: list[Difference]) -> dict[str, set[str]]:
    changed: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for difference in differences:
        changed[difference.kind].add(difference.name)
    return changed


def _named(
    entries: Iterable[OrganizationEntry | CollaborationEntry], known: dict[str, Any]
) -> Iterable[tuple[str, bool]]:
    return ((entry.name.value, entry.name.value not in known) for entry in entries)


def _roles(file: ImportFile, known: Known) -> list[tuple[RoleKey, RoleEntry | None]]:
    """The roles that the file defines, and those that it takes for granted."""
    defined: dict[RoleKey, RoleEntry | None] = {(owner, role.name.value): role for owner, role in file.all_roles}
    for entry in file.organizations:
        key = (entry.name.value, SUPER_ROLE)
        if key not in defined and (entry.roles is None or (_gives_super(entry, known) and key not in known.roles)):
            defined[key] = None
    return list(defined.items())


def _gives_super(entry: OrganizationEntry, known: Known) -> bool:
    """Whether a user needs this organization's role `super`, though it is not among its `roles`."""
    new = (user for user in entry.users if user.username.value not in known.users)
    return any(user.roles is None for user in new) or any(
        role.name.value == SUPER_ROLE and not role.is_shared and role.organization in (None, entry.name.value)
        for user in entry.users
        for role in user.roles or ()
    )


def _is_new_member(entry: CollaborationEntry, participant: Participant, known: Known) -> bool:
    collaboration = known.collaborations.get(entry.name.value)
    organization = known.organization(participant.name.value)
    return collaboration is None or organization is None or organization.id not in collaboration.members


def _has_node(entry: CollaborationEntry, participant: Participant, known: Known) -> bool:
    collaboration = known.collaborations.get(entry.name.value)
    organization = known.organization(participant.name.value)
    return bool(collaboration and organization and (organization.id, collaboration.id) in known.nodes)


def _tasks(entry: CollaborationEntry, known: Known) -> Iterable[tuple[str, bool]]:
    """Each image of the file's, and whether it is one more than there are example tasks of it."""
    collaboration = known.collaborations.get(entry.name.value)
    left = Counter(collaboration.tasks) if collaboration else Counter[str]()
    for image in entry.tasks:
        left[image] -= 1
        yield image, left[image] < 0
