"""What goes along when something is deleted, and what stays."""

import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session

from dataquality.model import (
    AlgorithmPort,
    Authenticatable,
    Collaboration,
    Node,
    NodeConfig,
    Organization,
    OutboxEvent,
    RefreshSession,
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

from .conftest import World


def test_a_collaboration_takes_its_nodes_tasks_and_results_along(world: World) -> None:
    world.run(delete(Collaboration).where(Collaboration.id == world.collaboration))
    for gone in (Node, NodeConfig, RefreshSession, Task, Result, ResultContent, AlgorithmPort, member):
        assert world.count(gone) == 0, gone
    assert world.count(Organization, Organization.id == world.organization) == 1


def test_no_token_of_a_node_outlives_the_collaboration(world: World) -> None:
    world.run(delete(Collaboration).where(Collaboration.id == world.collaboration))
    assert world.count(Authenticatable, Authenticatable.id == world.node) == 0


def test_a_task_takes_its_subtasks_along(world: World) -> None:
    world.run(delete(Task).where(Task.id == world.task))
    for gone in (Task, Result, ResultContent, AlgorithmPort):
        assert world.count(gone) == 0, gone


def test_the_results_of_a_deleted_node_stay(world: World) -> None:
    world.run(delete(Node).where(Node.id == world.node))
    assert world.count(Result, Result.node_id.is_(None)) == 2
    assert world.count(Authenticatable, Authenticatable.id == world.node) == 0
    assert world.count(RefreshSession) == 0


def test_the_tasks_of_a_deleted_user_stay(world: World) -> None:
    world.run(delete(User).where(User.id == world.user))
    assert world.count(Task, Task.init_user_id.is_(None)) == 2
    for gone in (permission, userpermission):
        assert world.count(gone, gone.c.user_id == world.user) == 0
    assert world.count(Authenticatable, Authenticatable.id == world.user) == 0


def test_a_deleted_authenticatable_is_no_user_any_more(world: World) -> None:
    world.run(delete(Authenticatable).where(Authenticatable.id == world.user))
    assert world.count(User, User.id == world.user) == 0


def test_a_deleted_role_is_taken_from_everybody(world: World) -> None:
    world.run(delete(Role).where(Role.id == world.role))
    assert world.count(permission, permission.c.role_id == world.role) == 0
    assert world.count(role_rule_association, role_rule_association.c.role_id == world.role) == 0
    assert world.count(Rule, Rule.id == world.rule) == 1


def test_an_organization_goes_with_its_roles_and_memberships_when_nobody_is_left(world: World) -> None:
    world.run(
        insert(member).values(organization_id=world.other, collaboration_id=world.collaboration),
        insert(Role).values(name="theirs", organization_id=world.other),
        insert(Task).values(collaboration_id=world.collaboration, run_id=2, initiator_id=world.other),
        delete(Organization).where(Organization.id == world.other),
    )
    assert world.count(member) == 1
    assert world.count(Role, Role.name == "theirs") == 0
    assert world.count(Task, Task.initiator_id.is_(None)) == 1


def test_the_news_of_a_deleted_collaboration_is_still_to_be_sent(world: World) -> None:
    world.run(
        insert(OutboxEvent).values(collaboration_id=world.collaboration, room="r", event="e", payload=[1, None]),
        delete(Collaboration).where(Collaboration.id == world.collaboration),
    )
    with world.engine.connect() as connection:
        assert connection.execute(select(OutboxEvent.payload)).scalar_one() == [1, None]


@pytest.mark.parametrize("kind", [User, Node])
def test_the_orm_deletes_an_identity_whole(kind: type[User] | type[Node], world: World) -> None:
    key = world.user if kind is User else world.node
    with Session(world.engine) as session, session.begin():
        session.delete(session.get_one(kind, key))
    assert world.count(kind, kind.id == key) == world.count(Authenticatable, Authenticatable.id == key) == 0


def test_the_orm_deletes_a_collaboration_without_reading_what_goes_along(world: World) -> None:
    with Session(world.engine) as session, session.begin():
        session.delete(session.get_one(Collaboration, world.collaboration))
    assert world.count(Task) == world.count(Node) == 0


def test_the_id_of_a_deleted_user_is_never_given_out_again(world: World) -> None:
    with world.engine.begin() as connection:
        connection.execute(delete(User).where(User.id == world.user))
        next_one = insert(Authenticatable).values(type="user").returning(Authenticatable.id)
        assert connection.execute(next_one).scalar_one() > world.user


def test_the_orm_never_reads_behind_our_back(world: World) -> None:
    with Session(world.engine) as session, pytest.raises(InvalidRequestError):
        _ = session.get_one(User, world.user).roles
