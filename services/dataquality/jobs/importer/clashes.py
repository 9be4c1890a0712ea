"""Where the file and the database disagree. An import adds what is missing and changes nothing that exists."""

from collections.abc import Callable, Iterator

from dataquality.jobs.importer.document import (
    CollaborationEntry,
    ImportFile,
    OrganizationEntry,
    Participant,
    UserEntry,
)
from dataquality.jobs.importer.known import Known, KnownOrganization, KnownUser
from dataquality.jobs.importer.problems import Problem, did_you_mean, quoted
from dataquality.jobs.importer.reader import Text

SUPER_ROLE = "super"
_AGREE = "An import changes nothing that exists: change it over the API, or make the file agree"
KeyId = Callable[[str], str]


def clashes(file: ImportFile, known: Known, key_id: KeyId) -> Iterator[Problem]:
    """All that keeps the file from being imported into this database."""
    names = {entry.name.value for entry in file.organizations}
    for entry in file.organizations:
        yield from _organization(entry, known)
    for entry, user in file.users:
        yield from _user(entry, user, known)
    for entry in file.collaborations:
        yield from _collaboration(entry, known)
    for entry, participant in file.participants:
        yield from _participant(participant, names, known)
        yield from _node(entry, participant, known, key_id)


def kept_keys(file: ImportFile, known: Known) -> list[str]:
    """Names of organizations whose public key is another one by now: nodes replace it, and the import lets it be."""
    return [
        entry.name.value
        for entry in file.organizations
        if (found := known.organization(entry.name.value)) and entry.public_key not in (None, found.public_key)
    ]


def _organization(entry: OrganizationEntry, known: Known) -> Iterator[Problem]:
    if len(known.organizations.get(entry.name.value, [])) > 1:
        yield _several(entry.name)
    elif found := known.organization(entry.name.value):
        yield from _differences(entry.details, found.details, f"the organization {quoted(entry.name.value)}")


def _user(entry: OrganizationEntry, user: UserEntry, known: Known) -> Iterator[Problem]:
    organization = known.organization(entry.name.value)
    found = known.users.get(user.username.value)
    if found is None:
        if user.email.value in known.emails:
            owner = quoted(known.emails[user.email.value])
            yield Problem(user.email.place, f"the user {owner} has this e-mail address already", "Use another")
        yield from _roles(user, organization, known)
    elif organization is None or found.organization_id != organization.id:
        message = f"a user {quoted(user.username.value)} exists in another organization"
        yield Problem(user.username.place, message, "Choose another username")
    else:
        given = {"firstname": user.firstname, "lastname": user.lastname, "email": user.email}
        yield from _differences(given, found.details, f"the user {quoted(user.username.value)}")
        yield from _other_roles(user, found)


def _other_roles(user: UserEntry, found: KnownUser) -> Iterator[Problem]:
    if user.roles and frozenset(role.value for role in user.roles) != found.roles:
        has = ", ".join(sorted(map(quoted, found.roles))) or "none"
        message = f"the user {quoted(user.username.value)} exists with other roles ({has})"
        yield Problem(user.roles[0].place, message, _AGREE)


def _roles(user: UserEntry, organization: KnownOrganization | None, known: Known) -> Iterator[Problem]:
    owners = (None, organization.id) if organization else (None,)
    names = {name for owner, name in known.roles if owner in owners} | {SUPER_ROLE}
    for role in user.roles or ():
        if role.value and role.value not in names:
            remedy = did_you_mean(role.value, names, f"There are {', '.join(sorted(names))}")
            yield Problem(role.place, f"there is no role {quoted(role.value)}", remedy)


def _collaboration(entry: CollaborationEntry, known: Known) -> Iterator[Problem]:
    found = known.collaborations.get(entry.name.value)
    if found and entry.encrypted not in (None, found.encrypted):
        state = "encrypted" if found.encrypted else "not encrypted"
        message = f"the collaboration {quoted(entry.name.value)} exists and is {state}"
        yield Problem(entry.name.place, message, _AGREE)


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
    if not key.value:
        return
    if pair in known.nodes and known.nodes[pair] != key_id(key.value):
        name = quoted(participant.name.value)
        message = f"the node of {name} in this collaboration exists with another API key"
        yield Problem(key.place, message, _AGREE)
    elif known.keys.get(key_id(key.value), pair) != pair:
        yield Problem(key.place, "another node uses this API key already", "Give this one a key of its own")


def _differences(given: dict[str, Text], found: dict[str, str | None], what: str) -> Iterator[Problem]:
    for key, text in given.items():
        if text.value and text.value != (found[key] or ""):
            has = quoted(value) if (value := found[key]) else "nothing"
            yield Problem(text.place, f"{what} exists with another {key} ({has})", _AGREE)


def _several(name: Text) -> Problem:
    message = f"the database has several organizations named {quoted(name.value)}"
    return Problem(name.place, message, "Rename all but one of them over the API")
