"""A small world in a migrated database: two organizations, a collaboration, a node, a user, a task, a result."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, insert, select

from dataquality.model import (
    AlgorithmPort,
    Authenticatable,
    Collaboration,
    Node,
    NodeConfig,
    Organization,
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
from support.databases import Databases, sync_engine


@dataclass(frozen=True)
class World:
    """Ids of what is there; `other` is a second organization without anything."""

    engine: Engine
    organization: int
    other: int
    collaboration: int
    node: int
    user: int
    role: int
    rule: int
    task: int
    subtask: int
    result: int

    def count(self, entity: Any, *conditions: Any) -> int:
        """How many rows of `entity` there are."""
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(entity).where(*conditions)).scalar_one()

    def run(self, *statements: Any) -> None:
        """Run statements in one transaction."""
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = sync_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def world(databases: Databases) -> Iterator[World]:
    """In a copy of a database that it was made in once."""

    def prepare(url: str) -> None:
        with sync_engine(url).begin() as connection:
            _MADE[connection.dialect.name] = _make(connection)

    with databases.prepared_database("model_world", prepare) as url:
        engine = sync_engine(url)
        yield World(engine, **_MADE[engine.dialect.name])


_MADE: dict[str, dict[str, int]] = {}


def _make(connection: Connection) -> dict[str, int]:
    def add(entity: Any, **values: Any) -> int:
        connection.execute(insert(entity).values(**values))
        table = entity.__table__ if hasattr(entity, "__table__") else entity
        return connection.execute(select(func.max(next(iter(table.primary_key))))).scalar_one()

    organization, other = add(Organization, name="ours"), add(Organization, name="theirs")
    collaboration = add(Collaboration, name="together")
    add(member, organization_id=organization, collaboration_id=collaboration)
    node = add(Authenticatable, type="node")
    add(Node, id=node, name="n", api_key_id="a" * 64, organization_id=organization, collaboration_id=collaboration)
    add(NodeConfig, node_id=node, key="encryption", value="0")
    user = add(Authenticatable, type="user")
    add(User, id=user, username="u", password="x", email="u@example.org", organization_id=organization)
    role = add(Role, name="r", organization_id=organization)
    rule = connection.execute(select(func.min(Rule.id))).scalar_one()
    add(permission, role_id=role, user_id=user)
    add(userpermission, rule_id=rule, user_id=user)
    add(role_rule_association, role_id=role, rule_id=rule)
    add(RefreshSession, jti="j", authenticatable_id=node, family="f")
    asked: dict[str, Any] = {"collaboration_id": collaboration, "run_id": 1, "initiator_id": organization}
    task = add(Task, init_user_id=user, **asked)
    subtask = add(Task, parent_id=task, **asked)
    add(Result, task_id=subtask, organization_id=organization, node_id=node)
    result = add(Result, task_id=task, organization_id=organization, node_id=node)
    add(ResultContent, result_id=result, input="i")
    add(AlgorithmPort, result_id=result, port=8888, label="l")
    return {
        "organization": organization, "other": other, "collaboration": collaboration, "node": node, "user": user,
        "role": role, "rule": rule, "task": task, "subtask": subtask, "result": result,
    }  # fmt: skip
