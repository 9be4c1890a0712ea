"""Where the file and the database cannot both be right, whatever is to be done about what differs."""

from collections.abc import Callable, Iterator

from dataquality.jobs.importer.document import (
    SUPER_ROLE,
    CollaborationEntry,
    ImportFile,
    OrganizationEntry,
    Participant,
    RoleKey,
    UserEntry,
)
from dataquality.jobs.importer.known import Known
from dataquality.jobs.importer.problems import Problem, did_you_mean, quoted
from dataquality.jobs.importer.reader import Text
from dataquality.model.rules import BUILT_IN_ROLES

KeyId = Callable[[str], str]


def clashes(file: ImportFile, known: Known, key_id: KeyId) -> Iterator[Problem]:
    """All that keeps the file from being imported into this database."""
    names = {entry.name.value for entry in file.organizations}
    keys = role_keys(file, known)
    for entry in file.organizations:
        if len(known.organizations.get(entry.name.value, [])) > 1:
            yield _several(entry.name)
    yield from _role_names(file, known)
    for entry, user in file.users:
        yield from _user(entry, user, known)
        yield from _roles(entry, user, names, keys, known)
    for entry, participant in file.participants:
        yield from _participant(participant, names, known)
        yield from _node(entry, participant, known, key_id)


def role_keys(file: ImportFile, known: Known) -> set[RoleKey]:
    """The roles that there will be: of the database, of the file, and `super` of each organization of the file."""
    defined = {(owner, role.name.value) for owner, role in file.all_roles}
    return known.roles.keys() | defined | {(entry.name.value, SUPER_ROLE) for entry in file.organizations}


def _role_names(file: ImportFile, known: Known) -> Iterator[Problem]:
    for owner, role in file.all_roles:
        if owner and role.name.value in BUILT_IN_ROLES and (owner, role.name.value) not in known.roles:
            message = f"the name {quoted(role.name.value)} belongs to a built-in role"
            yield Problem(role.name.place, message, "Choose another")


def _user(entry: OrganizationEntry, user: UserEntry, known: Known) -> Iterator[Problem]:
    organization = known.organization(entry.name.value)
    found = known.users.get(user.username.value)
    if found and (organization is None or found.organization_id != organization.id):
        message = f"a user {quoted(user.username.value)} exists in another organization"
        yield Problem(user.username.place, message, "Choose another username")
    elif known.emails.get(user.email.value, user.username.value) != user.username.value:
        owner = quoted(known.emails[user.email.value])
        yield Problem(user.email.place, f"the user {owner} has this e-mail address already", "Use another")


def _roles(
    entry: OrganizationEntry, user: UserEntry, names: set[str], keys: set[RoleKey], known: Known
) -> Iterator[Problem]:
    for role in user.roles or ():
        if role.key(entry.name.value, keys) in keys or not role.name.value:
            continue
        if role.organization and role.organization not in names | known.organizations.keys():
            message = f"there is no organization {quoted(role.organization)}"
            yield Problem(role.name.place, message, did_you_mean(role.organization, names, "Correct the name"))
        else:
            there = {name for owner, name in keys if owner in role.owners(entry.name.value)}
            remedy = did_you_mean(role.name.value, there, f"There are {', '.join(sorted(there))}")
            yield Problem(role.name.place, f"there is no role {quoted(role.name.value)}", remedy)


def _participant(participant: Participant, names: set[str], known: Known) -> Iterator[Problem]:
    name = participant.name.value
    if not name or name in names:
        return
    if name not in known.organizations:
        remedy = did_you_mean(name, names, "Add it under `organizations:`, or correct the name")
        yield Problem(participant.name.place, f"there is no organization {quoted(name)}", remedy)
    elif known.organization(name) is None:
        yield _several(participant.name)


def _node(entry: CollaborationEntry, participant: Participant, known: Known, key_id: KeyId) -> Iterator[Problem]:
    key = participant.api_key
    organization = known.organization(participant.name.value)
    collaboration = known.collaborations.get(entry.name.value)
    pair = (organization.id, collaboration.id) if organization and collaboration else None
    node = known.nodes.get(pair) if pair else None
    if not key.value:
        return
    if node and node.api_key_id != key_id(key.value):
        name = quoted(participant.name.value)
        message = f"the node of {name} in this collaboration exists with another API key"
        remedy = (
            "An import changes no API keys: write `new`, which leaves the key that it has, or reset it over the API"
        )
        yield Problem(key.place, message, remedy)
    elif known.keys.get(key_id(key.value), pair) != pair:
        yield Problem(key.place, "another node uses this API key already", "Give this one a key of its own")


def _several(name: Text) -> Problem:
    message = f"the database has several organizations named {quoted(name.value)}"
    return Problem(name.place, message, "Rename all but one of them over the API")
