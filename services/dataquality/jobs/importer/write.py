"""Writes what is missing, in the caller's transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Table, insert, literal, select

from dataquality.jobs.importer.clashes import SUPER_ROLE, KeyId
from dataquality.jobs.importer.document import CollaborationEntry, ImportFile, OrganizationEntry, UserEntry
from dataquality.jobs.importer.hashing import Hashes
from dataquality.jobs.importer.known import Known, chunks
from dataquality.jobs.importer.progress import Progress
from dataquality.model import (
    Authenticatable,
    Collaboration,
    Node,
    Organization,
    OutboxEvent,
    Result,
    ResultContent,
    ResultStatus,
    Role,
    Rule,
    Task,
    User,
    member,
    next_run_id_statement,
    permission,
    role_rule_association,
)

_TASK_NAME = "Example task"
_TASK_INPUT = "something"
_AT_ONCE = 100
_organization = cast(Table, Organization.__table__)
_identity = cast(Table, Authenticatable.__table__)
_user = cast(Table, User.__table__)
_role = cast(Table, Role.__table__)
_collaboration = cast(Table, Collaboration.__table__)
_node = cast(Table, Node.__table__)
_task = cast(Table, Task.__table__)
_result = cast(Table, Result.__table__)
_Rows = list[dict[str, Any]]
Item = TypeVar("Item")


@dataclass
class Count:
    """How many of a kind are new, and how many were there already."""

    created: int = 0
    unchanged: int = 0


@dataclass
class Summary:
    """What an import did."""

    organizations: Count = field(default_factory=Count)
    roles: Count = field(default_factory=Count)
    users: Count = field(default_factory=Count)
    collaborations: Count = field(default_factory=Count)
    nodes: Count = field(default_factory=Count)
    tasks: Count = field(default_factory=Count)

    def to_json(self) -> dict[str, dict[str, int]]:
        """Kind to counts."""
        return asdict(self)

    @property
    def created(self) -> int:
        """How many rows are new."""
        return sum(count["created"] for count in self.to_json().values())


@dataclass(frozen=True)
class NewTask:
    """An example task; `places` are the ids of its organizations and of their nodes, the initiator first."""

    image: str
    collaboration_id: int
    places: tuple[tuple[int, int], ...]


class Writer:
    """One import. `write` is its one door; the steps below it depend on the ids that those before them made."""

    def __init__(
        self, connection: Connection, file: ImportFile, known: Known, hashes: Hashes, key_id: KeyId, progress: Progress
    ) -> None:
        self._connection = connection
        self._file = file
        self._known = known
        self._hashes = hashes
        self._key_id = key_id
        self._progress = progress
        self._summary = Summary()
        self._organizations = {
            name: found.id for name in known.organizations if (found := known.organization(name)) is not None
        }
        self._roles = dict(known.roles)
        self._collaborations = {name: found.id for name, found in known.collaborations.items()}

    def write(self) -> Summary:
        """Organizations, their roles, their users; collaborations, their nodes, their tasks."""
        self._write_organizations()
        self._write_roles()
        self._write_users()
        self._write_collaborations()
        self._write_members()
        self._write_nodes()
        self._write_tasks()
        return self._summary

    def _write_organizations(self) -> None:
        entries = self._file.organizations
        new = [entry for entry in entries if entry.name.value not in self._organizations]
        self._summary.organizations = Count(len(new), len(entries) - len(new))
        for batch in self._batches("organizations", new):
            ids = self._insert(_organization, [_organization_row(entry) for entry in batch])
            self._organizations |= {entry.name.value: identity for entry, identity in zip(batch, ids, strict=True)}

    def _write_roles(self) -> None:
        owners = [self._organizations[entry.name.value] for entry in self._file.organizations]
        new = [owner for owner in owners if (owner, SUPER_ROLE) not in self._roles]
        self._summary.roles = Count(len(new), len(owners) - len(new))
        for batch in self._batches("roles", new):
            rows = [{"name": SUPER_ROLE, "description": "Super user", "organization_id": owner} for owner in batch]
            ids = self._insert(_role, rows)
            self._roles |= {(owner, SUPER_ROLE): identity for owner, identity in zip(batch, ids, strict=True)}
            every_rule = select(_role.c.id, Rule.id).join(Rule, literal(True)).where(_role.c.id.in_(ids))
            self._connection.execute(insert(role_rule_association).from_select(["role_id", "rule_id"], every_rule))

    def _write_users(self) -> None:
        users = list(self._file.users)
        new = [pair for pair in users if pair[1].username.value not in self._known.users]
        self._summary.users = Count(len(new), len(users) - len(new))
        for batch in self._batches("users", new):
            ids = self._insert(_identity, [{"type": "user"} for _ in batch])
            self._insert_rows(_user, [self._user_row(i, *pair) for i, pair in zip(ids, batch, strict=True)])
            self._insert_rows(permission, [row for i, p in zip(ids, batch, strict=True) for row in self._grants(i, *p)])

    def _user_row(self, identity: int, entry: OrganizationEntry, user: UserEntry) -> dict[str, Any]:
        return {
            "id": identity,
            "username": user.username.value,
            "password": self._hashes.passwords[user.username.value],
            "firstname": user.firstname.value or None,
            "lastname": user.lastname.value or None,
            "email": user.email.value or None,
            "organization_id": self._organizations[entry.name.value],
        }

    def _grants(self, identity: int, entry: OrganizationEntry, user: UserEntry) -> _Rows:
        owner = self._organizations[entry.name.value]
        names = [SUPER_ROLE] if user.roles is None else [role.value for role in user.roles]
        own_or_shared = [self._roles.get((owner, name)) or self._roles[(None, name)] for name in names]
        return [{"role_id": role_id, "user_id": identity} for role_id in own_or_shared]

    def _write_collaborations(self) -> None:
        entries = self._file.collaborations
        new = [entry for entry in entries if entry.name.value not in self._known.collaborations]
        self._summary.collaborations = Count(len(new), len(entries) - len(new))
        for batch in self._batches("collaborations", new):
            rows = [{"name": entry.name.value, "encrypted": entry.encrypted is not False} for entry in batch]
            ids = self._insert(_collaboration, rows)
            self._collaborations |= {entry.name.value: identity for entry, identity in zip(batch, ids, strict=True)}

    def _write_members(self) -> None:
        rows: _Rows = []
        for entry, participant in self._file.participants:
            known = self._known.collaborations.get(entry.name.value)
            organization_id = self._organizations[participant.name.value]
            if known is None or organization_id not in known.members:
                collaboration_id = self._collaborations[entry.name.value]
                rows.append({"organization_id": organization_id, "collaboration_id": collaboration_id})
        for batch in chunks(rows, _AT_ONCE):
            self._insert_rows(member, batch)

    def _write_nodes(self) -> None:
        rows = [
            {
                "name": f"{participant.name.value} - {entry.name.value} Node",
                "api_key_id": self._key_id(participant.api_key.value),
                "api_key_hash": self._hashes.keys.get(participant.api_key.value),
                "organization_id": self._organizations[participant.name.value],
                "collaboration_id": self._collaborations[entry.name.value],
            }
            for entry, participant in self._file.participants
        ]
        new = [row for row in rows if (row["organization_id"], row["collaboration_id"]) not in self._known.nodes]
        self._summary.nodes = Count(len(new), len(rows) - len(new))
        for batch in self._batches("nodes", new):
            ids = self._insert(_identity, [{"type": "node"} for _ in batch])
            self._insert_rows(_node, [{"id": i, **row} for i, row in zip(ids, batch, strict=True)])

    def _write_tasks(self) -> None:
        new = [entry for entry in self._file.collaborations if entry.name.value not in self._known.collaborations]
        nodes = self._nodes_of([self._collaborations[entry.name.value] for entry in new])
        tasks = [task for entry in new for task in self._tasks_of(entry, nodes)]
        every = sum(len(entry.tasks) for entry in self._file.collaborations)
        self._summary.tasks = Count(len(tasks), every - len(tasks))
        for batch in self._batches("tasks", tasks):
            self._write_some_tasks(batch)

    def _nodes_of(self, collaboration_ids: list[int]) -> dict[tuple[int, int], int]:
        statement = select(_node.c.organization_id, _node.c.collaboration_id, _node.c.id)
        found: dict[tuple[int, int], int] = {}
        for ids in chunks(collaboration_ids):
            for organization_id, collaboration_id, node_id in self._connection.execute(
                statement.where(_node.c.collaboration_id.in_(ids))
            ):
                found[organization_id, collaboration_id] = node_id
        return found

    def _tasks_of(self, entry: CollaborationEntry, nodes: dict[tuple[int, int], int]) -> Iterator[NewTask]:
        collaboration_id = self._collaborations[entry.name.value]
        organizations = [self._organizations[participant.name.value] for participant in entry.participants]
        places = tuple((organization, nodes[organization, collaboration_id]) for organization in organizations)
        return (NewTask(image, collaboration_id, places) for image in entry.tasks)

    def _write_some_tasks(self, tasks: Sequence[NewTask]) -> None:
        rows = [_task_row(task, self._next_run_id()) for task in tasks]
        ids = self._insert(_task, rows)
        results = [
            {"task_id": i, "organization_id": organization, "node_id": node, "status": ResultStatus.PENDING}
            for i, task in zip(ids, tasks, strict=True)
            for organization, node in task.places
        ]
        for batch in chunks(results):
            contents = [{"result_id": i, "input": _TASK_INPUT} for i in self._insert(_result, batch)]
            self._insert_rows(cast(Table, ResultContent.__table__), contents)
        events = [event for i, row in zip(ids, rows, strict=True) for event in _events(i, row)]
        self._insert_rows(cast(Table, OutboxEvent.__table__), events)

    def _next_run_id(self) -> int:
        return int(self._connection.execute(next_run_id_statement(self._connection.dialect.name)).scalar_one())

    def _batches(self, kind: str, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        done = 0
        for batch in chunks(items, _AT_ONCE):
            yield batch
            done += len(batch)
            self._progress.step(kind, done, len(items))

    def _insert(self, table: Table, rows: Sequence[dict[str, Any]]) -> list[int]:
        statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return [int(identity) for identity in self._connection.scalars(statement, list(rows))]

    def _insert_rows(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(insert(table), list(rows))


def _organization_row(entry: OrganizationEntry) -> dict[str, Any]:
    details = {key: text.value or None for key, text in entry.details.items()}
    return {"name": entry.name.value, "public_key": entry.public_key, **details}


def _task_row(task: NewTask, run_id: int) -> dict[str, Any]:
    initiator, _ = task.places[0]
    return {
        "name": _TASK_NAME,
        "image": task.image,
        "collaboration_id": task.collaboration_id,
        "run_id": run_id,
        "initiator_id": initiator,
    }


def _events(task_id: int, row: dict[str, Any]) -> _Rows:
    collaboration_id = row["collaboration_id"]
    created = {
        "task_id": task_id,
        "run_id": row["run_id"],
        "collaboration_id": collaboration_id,
        "init_org_id": row["initiator_id"],
    }
    place = {"room": f"collaboration_{collaboration_id}", "collaboration_id": collaboration_id}
    return [
        {"event": "task_created", "payload": [created], **place},
        {"event": "new_task", "payload": [task_id], **place},
    ]
