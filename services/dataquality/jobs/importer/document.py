"""What an import file says. Read whole: all that is wrong in it is found at once."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dataquality.jobs.importer.problems import Place, Problem
from dataquality.jobs.importer.reader import Fields, Text, fields_of
from dataquality.jobs.importer.yaml_nodes import compose

DETAILS: tuple[str, ...] = ("domain", "address1", "address2", "zipcode", "country")
_FILE_KEYS = ("organizations", "collaborations")
_ORGANIZATION_KEYS = ("name", *DETAILS, "public_key", "users")
_USER_KEYS = ("username", "password", "firstname", "lastname", "email", "roles")
_COLLABORATION_KEYS = ("name", "encrypted", "participants", "tasks")
_PARTICIPANT_KEYS = ("name", "api_key")
_API_KEY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class UserEntry:
    """A user; `roles` None stands for the role `super`."""

    username: Text
    password: Text
    firstname: Text
    lastname: Text
    email: Text
    roles: tuple[Text, ...] | None


@dataclass(frozen=True)
class OrganizationEntry:
    """An organization with its users; `details` has a text for each of DETAILS."""

    place: Place
    name: Text
    details: dict[str, Text]
    public_key: bytes | None
    users: tuple[UserEntry, ...]


@dataclass(frozen=True)
class Participant:
    """An organization in a collaboration, and the key of its node there."""

    name: Text
    api_key: Text


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

    organizations: tuple[OrganizationEntry, ...] = ()
    collaborations: tuple[CollaborationEntry, ...] = ()
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def users(self) -> Iterator[tuple[OrganizationEntry, UserEntry]]:
        """Every user with its organization."""
        return ((organization, user) for organization in self.organizations for user in organization.users)

    @property
    def participants(self) -> Iterator[tuple[CollaborationEntry, Participant]]:
        """Every participant with its collaboration."""
        return ((entry, participant) for entry in self.collaborations for participant in entry.participants)


def read_file(content: bytes) -> ImportFile:
    """The file with all problems that show without a database. Raises InvalidFile when it cannot be read at all."""
    problems: list[Problem] = []
    root = compose(content)
    fields = fields_of(root, Place("", root.start_mark.line + 1), _FILE_KEYS, problems)
    if fields is None:
        return ImportFile(problems=problems)
    file = ImportFile(
        fields.entries("organizations", _ORGANIZATION_KEYS, "organizations", _organization),
        fields.entries("collaborations", _COLLABORATION_KEYS, "collaborations", _collaboration),
        problems,
    )
    if not (file.organizations or file.collaborations or problems):
        remedy = "List some under `organizations:` or `collaborations:`"
        problems.append(Problem(fields.place, "there is nothing to import", remedy))
    problems.extend(_repetitions(file))
    return file


def _organization(fields: Fields) -> OrganizationEntry:
    return OrganizationEntry(
        fields.place,
        fields.required("name", "Give the organization a name"),
        {key: fields.text(key) for key in DETAILS},
        fields.public_key("public_key"),
        fields.entries("users", _USER_KEYS, "users", _user),
    )


def _user(fields: Fields) -> UserEntry:
    return UserEntry(
        username=fields.required("username", "Give the user a name to sign in with"),
        password=fields.required("password", "Give the user a password", None),
        firstname=fields.text("firstname"),
        lastname=fields.text("lastname"),
        email=fields.text("email"),
        roles=fields.texts("roles"),
    )


def _collaboration(fields: Fields) -> CollaborationEntry:
    problems_before = len(fields.problems)
    entry = CollaborationEntry(
        fields.place,
        fields.required("name", "Give the collaboration a name"),
        fields.boolean("encrypted"),
        fields.entries("participants", _PARTICIPANT_KEYS, "participants", _participant),
        tuple(image.value for image in fields.texts("tasks") or ()),
    )
    if not entry.participants and len(fields.problems) == problems_before:
        place = Place(f"{fields.place.at}.participants", fields.lines.get("participants", fields.place.line))
        remedy = "List at least one, with its name and api_key"
        fields.problems.append(Problem(place, "the collaboration has no participants", remedy))
    return entry


def _participant(fields: Fields) -> Participant:
    remedy = "Make one, for example with `python -c 'import uuid; print(uuid.uuid4())'`"
    participant = Participant(fields.required("name", "Name an organization"), fields.required("api_key", remedy))
    key = participant.api_key
    if key.value and not _API_KEY.fullmatch(key.value):
        message = "the API key is not a UUID in lower case with its dashes"
        fields.problems.append(Problem(key.place, message, remedy))
    return participant


def _repetitions(file: ImportFile) -> Iterator[Problem]:
    yield from _twice((entry.name for entry in file.organizations), "an organization of this name")
    yield from _twice((user.username for _, user in file.users), "a user of this name")
    yield from _twice((user.email for _, user in file.users), "a user with this e-mail address")
    yield from _twice((entry.name for entry in file.collaborations), "a collaboration of this name")
    yield from _twice((participant.api_key for _, participant in file.participants), "a node with this API key")
    for entry in file.collaborations:
        names = (participant.name for participant in entry.participants)
        yield from _twice(names, "this participant of the collaboration")
    for _, user in file.users:
        yield from _twice(user.roles or (), "this role of the user")


def _twice(texts: Iterable[Text], what: str) -> Iterator[Problem]:
    first: dict[str, Text] = {}
    for text in texts:
        if text.value and text is not first.setdefault(text.value, text):
            line = first[text.value].place.line
            yield Problem(text.place, f"line {line} has {what} already", "Change or remove one of the two")
