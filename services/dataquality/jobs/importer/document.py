"""What an import file says. Read whole: all that is wrong in it is found at once."""

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from dataquality.core.usernames import username_problem
from dataquality.jobs.importer.problems import Place, Problem, did_you_mean, quoted
from dataquality.jobs.importer.reader import Fields, Text, fields_of
from dataquality.jobs.importer.rules import ALL, RULE_TEXTS
from dataquality.jobs.importer.yaml_nodes import compose
from dataquality.model.rules import BUILT_IN_ROLES

DETAILS: tuple[str, ...] = ("domain", "address1", "address2", "zipcode", "country")
SUPER_ROLE = "super"
NEW_KEY, NO_NODE = "new", "none"
_FILE_KEYS = ("roles", "organizations", "collaborations")
_ORGANIZATION_KEYS = ("name", *DETAILS, "public_key", "roles", "users")
_ROLE_KEYS = ("name", "description", "rules")
_USER_KEYS = ("username", "password", "firstname", "lastname", "email", "roles", "rules")
_USER_ROLE_KEYS = ("name", "organization")
_COLLABORATION_KEYS = ("name", "encrypted", "participants", "tasks")
_PARTICIPANT_KEYS = ("name", "api_key", "node_name")
_API_KEY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

RoleKey = tuple[str | None, str]
"""An organization's name (None: the role is there for all) and the role's."""
NodeWanted = Literal["with this key", "with a new key", "none"]


@dataclass(frozen=True)
class RoleEntry:
    """A role of an organization, or of none. `rules` None: all that there are."""

    name: Text
    description: Text
    rules: frozenset[str] | None


@dataclass(frozen=True)
class RoleOfUser:
    """A role that a user has: of the organization named; of none (`is_shared`); else of the user's own, or of none."""

    name: Text
    organization: str | None = None
    is_shared: bool = False

    def owners(self, own: str) -> tuple[str | None, ...]:
        """Where the role is looked for, for a user of the organization `own`."""
        if self.is_shared or self.organization:
            return (self.organization,)
        return (own, None)

    def key(self, own: str, keys: Container[RoleKey]) -> RoleKey:
        """The role that is meant, where these are there."""
        possible = [(owner, self.name.value) for owner in self.owners(own)]
        return next((key for key in possible if key in keys), possible[-1])


@dataclass(frozen=True)
class UserEntry:
    """A user; `roles` None stands for the role `super`, `rules` None for whatever the user has. Perhaps no password."""

    username: Text
    password: Text
    firstname: Text
    lastname: Text
    email: Text
    roles: tuple[RoleOfUser, ...] | None
    rules: tuple[Text, ...] | None


@dataclass(frozen=True)
class OrganizationEntry:
    """An organization with its users; `details` has a text for each of DETAILS. `roles` None: the role `super`."""

    place: Place
    name: Text
    details: dict[str, Text]
    public_key: bytes | None
    key_place: Place
    roles: tuple[RoleEntry, ...] | None
    users: tuple[UserEntry, ...]


@dataclass(frozen=True)
class Participant:
    """An organization in a collaboration, and its node there with its key; `api_key` is empty for a new or no key."""

    name: Text
    api_key: Text
    node: NodeWanted
    node_name: Text


@dataclass(frozen=True)
class CollaborationEntry:
    """A collaboration, its participants, and the images of its example tasks."""

    place: Place
    name: Text
    encrypted: bool | None
    participants: tuple[Participant, ...]
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class ImportFile:
    """All of it. Texts that are wrong are empty here; `problems` says what is wrong."""

    roles: tuple[RoleEntry, ...] = ()
    organizations: tuple[OrganizationEntry, ...] = ()
    collaborations: tuple[CollaborationEntry, ...] = ()
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def all_roles(self) -> Iterator[tuple[str | None, RoleEntry]]:
        """Every role with the name of its organization."""
        yield from ((None, role) for role in self.roles)
        for organization in self.organizations:
            yield from ((organization.name.value, role) for role in organization.roles or ())

    @property
    def users(self) -> Iterator[tuple[OrganizationEntry, UserEntry]]:
        """Every user with its organization."""
        return ((organization, user) for organization in self.organizations for user in organization.users)

    @property
    def participants(self) -> Iterator[tuple[CollaborationEntry, Participant]]:
        """Every participant with its collaboration."""
        return ((entry, participant) for entry in self.collaborations for participant in entry.participants)


def read_file(content: bytes, is_json: bool = False) -> ImportFile:
    """The file with all problems that show without a database. Raises InvalidFile when it cannot be read at all."""
    problems: list[Problem] = []
    root = compose(content, is_json)
    fields = fields_of(root, Place("", root.start_mark.line + 1), _FILE_KEYS, problems)
    if fields is None:
        return ImportFile(problems=problems)
    file = ImportFile(
        fields.entries("roles", _ROLE_KEYS, "roles", _role) or (),
        fields.entries("organizations", _ORGANIZATION_KEYS, "organizations", _organization) or (),
        fields.entries("collaborations", _COLLABORATION_KEYS, "collaborations", _collaboration) or (),
        problems,
    )
    if not (file.roles or file.organizations or file.collaborations or problems):
        remedy = "List some under `organizations:` or `collaborations:`"
        problems.append(Problem(fields.place, "there is nothing to import", remedy))
    problems.extend(_built_in(file))
    problems.extend(_unclear_names(file))
    problems.extend(_repetitions(file))
    return file


def _organization(fields: Fields) -> OrganizationEntry:
    return OrganizationEntry(
        fields.place,
        fields.required("name", "Give the organization a name", None),
        {key: fields.text(key, None) for key in DETAILS},
        fields.public_key("public_key"),
        fields.place_of("public_key"),
        fields.entries("roles", _ROLE_KEYS, "roles", _role),
        fields.entries("users", _USER_KEYS, "users", _user) or (),
    )


def _role(fields: Fields) -> RoleEntry:
    return RoleEntry(
        fields.required("name", "Give the role a name"),
        fields.text("description", None),
        _rules_of_role(fields),
    )


def _rules_of_role(fields: Fields) -> frozenset[str] | None:
    if fields.word("rules", (ALL,)):
        return None
    return frozenset(rule.value for rule in _rules(fields, "rules", f"`{ALL}`, or a list") or ())


def _rules(fields: Fields, key: str, expected: str = "a list") -> tuple[Text, ...] | None:
    rules = fields.texts(key, f"{expected} of rules such as [{RULE_TEXTS[0]}, {RULE_TEXTS[1]}]")
    for rule in rules or ():
        if rule.value and rule.value not in RULE_TEXTS:
            remedy = did_you_mean(rule.value, RULE_TEXTS, "A rule has a form like task/view/organization")
            fields.problems.append(Problem(rule.place, f"there is no rule {quoted(rule.value)}", remedy))
    return rules


def _user(fields: Fields) -> UserEntry:
    remedy = "Write one, or remove the key: then the user has none until it is set over the API or by mail"
    return UserEntry(
        username=fields.required("username", "Give the user a name to sign in with"),
        password=fields.required("password", remedy, None) if "password" in fields.nodes else fields.text("password"),
        firstname=fields.text("firstname"),
        lastname=fields.text("lastname"),
        email=fields.text("email"),
        roles=fields.texts_or_entries("roles", _USER_ROLE_KEYS, RoleOfUser, _role_of_user),
        rules=_rules(fields, "rules"),
    )


def _role_of_user(fields: Fields) -> RoleOfUser:
    organization = fields.text("organization", None).value
    is_shared = "organization" in fields.nodes and not organization
    return RoleOfUser(fields.required("name", "Name a role"), organization or None, is_shared)


def _collaboration(fields: Fields) -> CollaborationEntry:
    problems_before = len(fields.problems)
    entry = CollaborationEntry(
        fields.place,
        fields.required("name", "Give the collaboration a name"),
        fields.boolean("encrypted"),
        fields.entries("participants", _PARTICIPANT_KEYS, "participants", _participant) or (),
        tuple(image.value for image in fields.texts("tasks") or ()),
    )
    if not entry.participants and len(fields.problems) == problems_before and "participants" not in fields.nodes:
        remedy = "List them with their name and api_key, or write [] for none"
        fields.problems.append(
            Problem(fields.place_of("participants"), "the collaboration has no participants", remedy)
        )
    if (
        entry.tasks
        and len(fields.problems) == problems_before
        and not any(p.node != "none" for p in entry.participants)
    ):
        remedy = "Give one an api_key, or remove the tasks"
        fields.problems.append(Problem(fields.place_of("tasks"), "no participant has a node to work on these", remedy))
    return entry


def _participant(fields: Fields) -> Participant:
    how = "Make one, for example with `python -c 'import uuid; print(uuid.uuid4())'`"
    remedy = f"{how}, or write `{NEW_KEY}` to have it made, or `{NO_NODE}` for a participant without a node"
    name, key = fields.required("name", "Name an organization", None), fields.required("api_key", remedy)
    node: NodeWanted = "with this key"
    if key.value in (NEW_KEY, NO_NODE):
        node = "with a new key" if key.value == NEW_KEY else "none"
        key = Text("", key.place)
    elif key.value and not _API_KEY.fullmatch(key.value):
        message = "the API key is not a UUID in lower case with its dashes"
        fields.problems.append(Problem(key.place, message, remedy))
    return Participant(name, key, node, fields.text("node_name", None))


def _built_in(file: ImportFile) -> Iterator[Problem]:
    for role in file.roles:
        if role.name.value in BUILT_IN_ROLES:
            message = f"{quoted(role.name.value)} is a built-in role, which nobody changes"
            yield Problem(role.name.place, message, "Remove it, or choose another name")


def _unclear_names(file: ImportFile) -> Iterator[Problem]:
    for _, user in file.users:
        if problem := username_problem(user.username.value):
            yield Problem(user.username.place, "this username looks like another", f"It {problem}")


def _repetitions(file: ImportFile) -> Iterator[Problem]:
    yield from _twice((entry.name for entry in file.organizations), "an organization of this name")
    yield from _twice((role.name for role in file.roles), "a role of this name")
    for entry in file.organizations:
        yield from _twice((role.name for role in entry.roles or ()), "a role of this name")
    yield from _twice((user.username for _, user in file.users), "a user of this name")
    yield from _twice((user.email for _, user in file.users), "a user with this e-mail address")
    yield from _twice((entry.name for entry in file.collaborations), "a collaboration of this name")
    yield from _twice((participant.api_key for _, participant in file.participants), "a node with this API key")
    for entry in file.collaborations:
        names = (participant.name for participant in entry.participants)
        yield from _twice(names, "this participant of the collaboration")
    for _, user in file.users:
        yield from _twice(user.rules or (), "this rule of the user")
        for owner in {(role.organization, role.is_shared) for role in user.roles or ()}:
            names = (role.name for role in user.roles or () if (role.organization, role.is_shared) == owner)
            yield from _twice(names, "this role of the user")


def _twice(texts: Iterable[Text], what: str) -> Iterator[Problem]:
    first: dict[str, Text] = {}
    for text in texts:
        if text.value and text is not first.setdefault(text.value, text):
            line = first[text.value].place.line
            yield Problem(text.place, f"line {line} has {what} already", "Change or remove one of the two")
