"""A world for the matrix of permissions: organizations, what belongs to them, and callers with exactly one rule."""

import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from dataquality.model import (
    AlgorithmPort,
    Authenticatable,
    Collaboration,
    Node,
    OnlineStatus,
    Result,
    ResultContent,
    Role,
    Rule,
    Task,
    User,
    member,
    permission,
    role_rule_association,
    userpermission,
)
from support.arrange import Arrangement
from support.services import unique

ABSENT = 2_000_000_000
IMAGE = "image"
Ids = dict[str, dict[str, int]]
RuleName = tuple[str, str, str]
"""Resource, operation, scope."""


@dataclass(frozen=True)
class Person:
    """A user of the organization "own". `lent`: a rule that the user holds, or any, if there is none."""

    id: int
    token: str
    lent: int
    rules: Sequence[RuleName] = ()


@dataclass
class Things:
    """Ids by kind and by whose they are (see matrix.yaml), and tokens of the node and the container among them.

    `service` is the token of a part of the server.
    """

    ids: Ids
    node: str = ""
    container: str = ""
    service: str = ""


@dataclass
class PermissionWorld:
    """One world per database. What must not be touched is made once; what a call may use up is `fresh`."""

    there: Arrangement
    people: dict[str, Person] = field(default_factory=dict[str, Person])

    @cached_property
    def organizations(self) -> dict[str, int]:
        """own | partner | stranger."""
        return {name: self.there.organization() for name in ("own", "partner", "stranger")}

    @cached_property
    def rule_ids(self) -> dict[RuleName, int]:
        """The id of each rule."""
        with self.there.engine.connect() as connection:
            rows = connection.execute(select(Rule.id, Rule.name, Rule.operation, Rule.scope)).all()
        return {(row.name, row.operation.name, row.scope.name): row.id for row in rows}

    @cached_property
    def held(self) -> int:
        """A role without rules that all people have."""
        return self.there.global_role(unique("held"))

    @cached_property
    def shared(self) -> Things:
        """What all calls have in common that must change nothing."""
        organizations, held = self.organizations, self.held
        with self.there.engine.begin() as connection:
            things = _make_things(connection, organizations)
        things.ids["role"]["held"] = held
        self._give_tokens(things)
        return things

    def person(self, name: str, rules: Sequence[RuleName]) -> Person:
        """The user of that name, made with these rules when asked for first."""
        if name not in self.people:
            self.people[name] = self._new_person(rules)
        return self.people[name]

    @contextmanager
    def fresh(self, person: Person | None, itself: str) -> Generator[tuple[Things, Person | None]]:
        """Things to be changed, and a caller who is not needed again if the object is what the caller is or has."""
        if person is not None and itself in ("self", "held"):
            person = self._new_person(person.rules)
        with self.there.engine.begin() as connection:
            things = _make_things(connection, self.organizations, None if person is None else person.lent)
            if person is not None and itself == "held":
                connection.execute(insert(permission).values(role_id=things.ids["role"]["held"], user_id=person.id))
        self._give_tokens(things)
        yield things, person
        with self.there.engine.begin() as connection:
            _forget(connection, things.ids)

    def _new_person(self, rules: Sequence[RuleName]) -> Person:
        ids, organization, held = [self.rule_ids[rule] for rule in rules], self.organizations["own"], self.held
        with self.there.engine.begin() as connection:
            user = _add_user(connection, organization)
            connection.execute(insert(permission).values(role_id=held, user_id=user))
            if ids:
                connection.execute(insert(userpermission), [{"rule_id": rule, "user_id": user} for rule in ids])
        return Person(user, self.there.token(user, "user"), ids[0] if ids else 1, rules)

    def _give_tokens(self, things: Things) -> None:
        node, collaboration, task = (things.ids[kind]["own"] for kind in ("node", "collaboration", "task"))
        subject = {
            "client_type": "container",
            "node_id": node,
            "organization_id": self.organizations["own"],
            "collaboration_id": collaboration,
            "task_id": task,
            "image": IMAGE,
        }
        things.node = self.there.token(node, "node")
        things.container = self.there.token(subject, "container")
        things.service = self.there.service_token()


def _add(connection: Connection, model: Any, **values: Any) -> int:
    return connection.execute(insert(model).values(**values).returning(model.id)).scalar_one()


def _add_identity(connection: Connection, model: Any, kind: str, **values: Any) -> int:
    identity = _add(connection, Authenticatable, type=kind, status=OnlineStatus.ONLINE)
    connection.execute(insert(model).values(id=identity, **values))
    return identity


def _add_user(connection: Connection, organization: int) -> int:
    name = unique("user")
    return _add_identity(
        connection, User, "user", username=name, password="x", email=name, organization_id=organization
    )


def _make_things(connection: Connection, organizations: dict[str, int], rule: int | None = None) -> Things:
    """Each kind as matrix.yaml describes it; `rule` is put into each role."""
    own, partner, stranger = organizations.values()
    of = {
        "own": _add_collaboration(connection, own, partner),
        "second": _add_collaboration(connection, own),
        "stranger": _add_collaboration(connection, partner, stranger),
    }
    shared, closed = _add_collaboration(connection, own, partner), _add_collaboration(connection, stranger)
    places = {"own": shared, "partner": shared, "stranger": closed}
    nodes = {
        "own": _add_node(connection, own, of["own"]),
        "second": _add_node(connection, own, of["second"]),
        "partner": _add_node(connection, partner, of["own"]),
        "stranger": _add_node(connection, stranger, of["stranger"]),
    }
    users = {name: _add_user(connection, organization) for name, organization in organizations.items()}
    ids: Ids = {"organization": organizations, "collaboration": of, "place": places, "node": nodes, "user": users}
    ids["role"] = _add_roles(connection, organizations, rule)
    ids["rule"] = {"own": 1}
    ids |= _add_work(connection, organizations, of)
    return Things(ids)


def _add_collaboration(connection: Connection, *members: int) -> int:
    identity = _add(connection, Collaboration, name=unique("collaboration"), encrypted=False)
    rows = [{"collaboration_id": identity, "organization_id": organization} for organization in members]
    connection.execute(insert(member), rows)
    return identity


def _add_node(connection: Connection, organization: int, collaboration: int) -> int:
    return _add_identity(
        connection,
        Node,
        "node",
        name=unique("node"),
        api_key_id=secrets.token_hex(32),
        organization_id=organization,
        collaboration_id=collaboration,
    )


def _add_roles(connection: Connection, organizations: dict[str, int], rule: int | None) -> dict[str, int]:
    owners = {**organizations, "held": None, "global": None}
    roles = {
        name: _add(connection, Role, name=unique("role"), description="", organization_id=owner)
        for name, owner in owners.items()
    }
    if rule is not None:
        links = [{"role_id": role, "rule_id": rule} for role in roles.values()]
        connection.execute(insert(role_rule_association), links)
    builtin = select(Role.id).where(Role.name == "Viewer", Role.organization_id.is_(None))
    return roles | {"builtin": connection.execute(builtin).scalar_one()}


def _add_work(connection: Connection, organizations: dict[str, int], of: dict[str, int]) -> Ids:
    own, partner, stranger = organizations.values()
    tasks: dict[str, int] = {}
    results: dict[str, int] = {}
    for run, (name, collaboration, initiator, asked) in enumerate(
        [
            ("own", "own", partner, {"own": own, "partner": partner}),
            ("other", "own", partner, {"other": own}),
            ("second", "second", own, {"second": own}),
            ("stranger", "stranger", stranger, {"stranger": stranger}),
        ]
    ):
        values: dict[str, Any] = {"collaboration_id": of[collaboration], "initiator_id": initiator}
        tasks[name] = _add(
            connection, Task, name="t", image=IMAGE, database="default", run_id=1_000_000 + run, **values
        )
        for result, organization in asked.items():
            results[result] = _add(connection, Result, task_id=tasks[name], organization_id=organization)
            connection.execute(insert(ResultContent).values(result_id=results[result], input="asked"))
    ports = {name: _add(connection, AlgorithmPort, port=80, result_id=result) for name, result in results.items()}
    return {"task": tasks, "result": results, "port": ports}


def _forget(connection: Connection, ids: Ids) -> None:
    collaborations = {*ids["collaboration"].values(), *ids["place"].values()}
    roles = {identity for name, identity in ids["role"].items() if name != "builtin"}
    # Nodes, tasks and results go with their collaboration.
    connection.execute(delete(Collaboration).where(Collaboration.id.in_(collaborations)))
    connection.execute(delete(Role).where(Role.id.in_(roles)))
    users = [identity for name, identity in ids["user"].items() if name != "self"]
    connection.execute(delete(Authenticatable).where(Authenticatable.id.in_(users)))
