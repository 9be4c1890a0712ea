"""What the database itself refuses, whoever asks."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Executable, delete, insert, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dataquality.model import (
    AlgorithmPort,
    AuditEntry,
    Authenticatable,
    Collaboration,
    Node,
    Organization,
    RefreshSession,
    Result,
    ResultContent,
    Rule,
    Task,
    UsedToken,
    User,
    member,
    permission,
    role_rule_association,
    userpermission,
    utc_now,
)

from .conftest import World

Violation = Callable[[World], list[Executable]]


def new_user(identity: int, **values: Any) -> list[Executable]:
    row = {"id": identity, "username": "v", "password": "x", **values}
    return [insert(Authenticatable).values(id=identity, type="user"), insert(User).values(**row)]


def new_node(identity: int, **values: Any) -> list[Executable]:
    row = {"id": identity, "api_key_id": "b" * 64, **values}
    return [insert(Authenticatable).values(id=identity, type="node"), insert(Node).values(**row)]


VIOLATIONS: dict[str, Violation] = {
    "a second user of one name": lambda w: new_user(900, username="u", organization_id=w.organization),
    "a second user of one e-mail": lambda w: new_user(900, email="u@example.org", organization_id=w.organization),
    "a user without organization": lambda w: new_user(900, organization_id=None),
    "a user of an organization that is not there": lambda w: new_user(900, organization_id=999),
    "a user who is no authenticatable": lambda w: new_user(900, organization_id=w.organization)[1:],
    "a second collaboration of one name": lambda w: [insert(Collaboration).values(name="together")],
    "a second node of an organization in a collaboration": lambda w: new_node(
        900, organization_id=w.organization, collaboration_id=w.collaboration
    ),
    "a second node with one key": lambda w: new_node(
        900, api_key_id="a" * 64, organization_id=w.other, collaboration_id=w.collaboration
    ),
    "a node with a short key id": lambda w: new_node(
        900, api_key_id="b", organization_id=w.other, collaboration_id=w.collaboration
    ),
    "an authenticatable of an unknown type": lambda w: [text("UPDATE authenticatable SET type = 'ghost'")],
    "an online status that is no word": lambda w: [text("UPDATE authenticatable SET status = 'away'")],
    "a second rule of one triple": lambda w: [
        text("INSERT INTO rule (name, operation, scope) VALUES ('node', 'v', 'glo')")
    ],
    "an operation that is none": lambda w: [text("UPDATE rule SET operation = 'x'")],
    "a scope that is none": lambda w: [text("UPDATE rule SET scope = 'any'")],
    "a result status that is no word": lambda w: [text("UPDATE result SET status = 'done'")],
    "a result without a task": lambda w: [insert(Result).values(task_id=999, organization_id=w.organization)],
    "a result of an organization that is not there": lambda w: [
        insert(Result).values(task_id=w.task, organization_id=999)
    ],
    "two contents of one result": lambda w: [insert(ResultContent).values(result_id=w.result)],
    "a task without a run": lambda w: [insert(Task).values(collaboration_id=w.collaboration, run_id=None)],
    "a task without a collaboration": lambda w: [insert(Task).values(collaboration_id=None, run_id=1)],
    "a port that is no port": lambda w: [insert(AlgorithmPort).values(result_id=w.result, port=65536)],
    "a member twice": lambda w: [
        insert(member).values(organization_id=w.organization, collaboration_id=w.collaboration)
    ],
    "a role given twice": lambda w: [insert(permission).values(role_id=w.role, user_id=w.user)],
    "a rule given twice": lambda w: [insert(userpermission).values(rule_id=w.rule, user_id=w.user)],
    "a rule twice in a role": lambda w: [insert(role_rule_association).values(rule_id=w.rule, role_id=w.role)],
    "a role given to a node": lambda w: [insert(permission).values(role_id=w.role, user_id=w.node)],
    "a refresh session twice": lambda w: [
        insert(RefreshSession).values(jti="j", authenticatable_id=w.node, family="g")
    ],
    "a token used twice": lambda w: [insert(UsedToken).values(jti="t", expires_at=utc_now())] * 2,
    "the end of an organization that has nodes or users": lambda w: [
        delete(Organization).where(Organization.id == w.organization)
    ],
    "a changed line in the audit trail": lambda w: [
        insert(AuditEntry).values(actor_type="user", action="a"), update(AuditEntry).values(action="b")
    ],
    "a lost line in the audit trail": lambda w: [
        insert(AuditEntry).values(actor_type="user", action="a"), delete(AuditEntry)
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", VIOLATIONS)
def test_the_database_refuses(what: str, world: World) -> None:
    with pytest.raises(IntegrityError):
        world.run(*VIOLATIONS[what](world))


def test_users_without_an_e_mail_do_not_collide(world: World) -> None:
    world.run(*new_user(900, organization_id=world.other))
    world.run(*new_user(901, username="w", organization_id=world.other))
    assert world.count(User, User.email.is_(None)) == 2


def test_what_is_not_said_has_its_default(world: World) -> None:
    with Session(world.engine) as session:
        result = session.get_one(Result, world.result)
        node = session.get_one(Node, world.node)
        collaboration = session.get_one(Collaboration, world.collaboration)
        assert result.status.value == "pending"
        assert (node.stamp is None, node.status, collaboration.encrypted) == (False, None, True)
        assert result.assigned_at.utcoffset() == result.updated_at.utcoffset() == node.created_at - node.created_at


def test_a_rule_shows_names_and_stores_short_values(world: World) -> None:
    with world.engine.connect() as connection:
        stored = connection.execute(text("SELECT operation, scope FROM rule WHERE id = 1")).one()
        shown = connection.execute(Rule.__table__.select().where(Rule.id == 1)).one()
    assert tuple(stored) == ("v", "glo")
    assert (shown.operation.name, shown.scope.name) == ("VIEW", "GLOBAL")
