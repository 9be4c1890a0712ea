"""Writes what is missing, in the caller's transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from dataquality.core.keys import new_api_key
from dataquality.jobs.importer.clashes import KeyId
from dataquality.jobs.importer.document import (
    SUPER_ROLE,
    CollaborationEntry,
    OrganizationEntry,
    Participant,
    RoleEntry,
    RoleKey,
    UserEntry,
)
from dataquality.jobs.importer.hashing import Hashes
from dataquality.jobs.importer.known import Known, chunks
from dataquality.jobs.importer.names import default_node_name
from dataquality.jobs.importer.plan import Plan
from dataquality.jobs.importer.progress import Progress
from dataquality.jobs.importer.rows import Rows, insert_for_ids, insert_rows, organization_row, table
from dataquality.jobs.importer.rules import rule_text
from dataquality.jobs.importer.tasks import NewTask, nodes_of, write_tasks
from dataquality.model import (
    Authenticatable,
    Collaboration,
    Node,
    Organization,
    Role,
    Rule,
    User,
    member,
    permission,
    role_rule_association,
    userpermission,
)

_AT_ONCE = 100
_SUPER_DESCRIPTION = "Super user"
Item = TypeVar("Item")


@dataclass(frozen=True)
class NewKey:
    """An API key that the import made: it is shown once and stored nowhere."""

    organization: str
    collaboration: str
    api_key: str


class Writer:
    """One import. `write` is its one door; the steps below it depend on the ids that those before them made."""

    def __init__(
        self, connection: Connection, plan: Plan, known: Known, hashes: Hashes, key_id: KeyId, progress: Progress
    ) -> None:
        self._connection = connection
        self._plan = plan
        self._hashes = hashes
        self._key_id = key_id
        self._progress = progress
        self._organizations = {
            name: found.id for name in known.organizations if (found := known.organization(name)) is not None
        }
        self.roles = {key: role.id for key, role in known.roles.items()}
        self._collaborations = {name: found.id for name, found in known.collaborations.items()}
        rules = connection.execute(select(Rule.id, Rule.name, Rule.operation, Rule.scope).order_by(Rule.id))
        self.rules = {rule_text(row.name, row.operation, row.scope): row.id for row in rules}

    def write(self) -> list[NewKey]:
        """Organizations, their roles, their users; collaborations, their nodes, their tasks. Answers new API keys."""
        self._write_organizations()
        self._write_roles()
        self._write_users()
        self._write_collaborations()
        self._write_members()
        new_keys = self._write_nodes()
        self._write_tasks()
        return new_keys

    def _write_organizations(self) -> None:
        for batch in self._batches("organizations", self._plan.organizations):
            ids = insert_for_ids(self._connection, table(Organization), [organization_row(entry) for entry in batch])
            self._organizations |= {entry.name.value: identity for entry, identity in zip(batch, ids, strict=True)}

    def _write_roles(self) -> None:
        for batch in self._batches("roles", self._plan.roles):
            ids = insert_for_ids(self._connection, table(Role), [self._role_row(*role) for role in batch])
            self.roles |= {key: identity for (key, _), identity in zip(batch, ids, strict=True)}
            rows = [
                {"role_id": identity, "rule_id": rule_id}
                for (_, role), identity in zip(batch, ids, strict=True)
                for rule_id in self._rule_ids(role.rules if role else None)
            ]
            insert_rows(self._connection, role_rule_association, rows)

    def _role_row(self, key: RoleKey, role: RoleEntry | None) -> dict[str, Any]:
        owner, name = key
        description = role.description.value or None if role else _SUPER_DESCRIPTION
        organization_id = self._organizations[owner] if owner else None
        return {"name": name, "description": description, "organization_id": organization_id}

    def _rule_ids(self, rules: frozenset[str] | None) -> list[int]:
        return list(self.rules.values()) if rules is None else sorted(self.rules[rule] for rule in rules)

    def _write_users(self) -> None:
        for batch in self._batches("users", self._plan.users):
            ids = insert_for_ids(self._connection, table(Authenticatable), [{"type": "user"} for _ in batch])
            users = list(zip(ids, batch, strict=True))
            insert_rows(self._connection, table(User), [self._user_row(identity, *pair) for identity, pair in users])
            roles = [row for identity, pair in users for row in self._roles_of(identity, *pair)]
            insert_rows(self._connection, permission, roles)
            rules = [row for identity, (_, user) in users for row in self._rules_of(identity, user)]
            insert_rows(self._connection, userpermission, rules)

    def _user_row(self, identity: int, entry: OrganizationEntry, user: UserEntry) -> dict[str, Any]:
        return {
            "id": identity,
            "username": user.username.value,
            "password": self._hashes.password(user.username.value),
            "firstname": user.firstname.value or None,
            "lastname": user.lastname.value or None,
            "email": user.email.value or None,
            "organization_id": self._organizations[entry.name.value],
        }

    def _roles_of(self, identity: int, entry: OrganizationEntry, user: UserEntry) -> Rows:
        own = entry.name.value
        keys = {(own, SUPER_ROLE)} if user.roles is None else {role.key(own, self.roles) for role in user.roles}
        return [{"role_id": role_id, "user_id": identity} for role_id in sorted(self.roles[key] for key in keys)]

    def _rules_of(self, identity: int, user: UserEntry) -> Rows:
        return [{"rule_id": self.rules[rule.value], "user_id": identity} for rule in user.rules or ()]

    def _write_collaborations(self) -> None:
        for batch in self._batches("collaborations", self._plan.collaborations):
            rows = [{"name": entry.name.value, "encrypted": entry.encrypted is not False} for entry in batch]
            ids = insert_for_ids(self._connection, table(Collaboration), rows)
            self._collaborations |= {entry.name.value: identity for entry, identity in zip(batch, ids, strict=True)}

    def _write_members(self) -> None:
        rows = [self._place(*pair) for pair in self._plan.members]
        for batch in chunks(rows, _AT_ONCE):
            insert_rows(self._connection, member, batch)

    def _place(self, entry: CollaborationEntry, participant: Participant) -> dict[str, Any]:
        return {
            "organization_id": self._organizations[participant.name.value],
            "collaboration_id": self._collaborations[entry.name.value],
        }

    def _write_nodes(self) -> list[NewKey]:
        made: list[NewKey] = []
        for batch in self._batches("nodes", self._plan.nodes):
            keys = [participant.api_key.value or new_api_key() for _, participant in batch]
            ids = insert_for_ids(self._connection, table(Authenticatable), [{"type": "node"} for _ in batch])
            rows = [self._node_row(*pair, key) for pair, key in zip(batch, keys, strict=True)]
            nodes = [{"id": identity, **row} for identity, row in zip(ids, rows, strict=True)]
            insert_rows(self._connection, table(Node), nodes)
            made += [
                NewKey(participant.name.value, entry.name.value, key)
                for (entry, participant), key in zip(batch, keys, strict=True)
                if participant.node == "with a new key"
            ]
        return made

    def _node_row(self, entry: CollaborationEntry, participant: Participant, key: str) -> dict[str, Any]:
        default = default_node_name(participant.name.value, entry.name.value)
        return {
            "name": participant.node_name.value or default,
            "api_key_id": self._key_id(key),
            "api_key_hash": self._hashes.keys.get(key),
            **self._place(entry, participant),
        }

    def _write_tasks(self) -> None:
        if not self._plan.tasks:
            return
        nodes = nodes_of(self._connection, [self._collaborations[entry.name.value] for entry, _ in self._plan.tasks])
        tasks = [self._task(entry, image, nodes) for entry, image in self._plan.tasks]
        for batch in self._batches("tasks", tasks):
            write_tasks(self._connection, batch)

    def _task(self, entry: CollaborationEntry, image: str, nodes: dict[tuple[int, int], int]) -> NewTask:
        collaboration_id = self._collaborations[entry.name.value]
        organizations = [self._organizations[participant.name.value] for participant in entry.participants]
        places = [(one, nodes[one, collaboration_id]) for one in organizations if (one, collaboration_id) in nodes]
        return NewTask(image, collaboration_id, organizations[0], tuple(places))

    def _batches(self, kind: str, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        done = 0
        for batch in chunks(items, _AT_ONCE):
            yield batch
            done += len(batch)
            self._progress.step(kind, done, len(items))
