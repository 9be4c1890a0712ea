"""What a sign-in costs, counted in hashes and statements and not in time: seen from inside the service."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, insert, text

from dataquality.auth.app import make_app
from dataquality.auth.parts import AuthParts
from dataquality.core.context import Context
from dataquality.core.keys import api_key_id
from dataquality.core.passwords import PasswordPool, hash_password
from dataquality.core.settings import Settings
from dataquality.model import Authenticatable, Collaboration, Node, Organization, User
from support.databases import sync_engine
from support.valkey import ValkeyServer

PEPPER = "a pepper"
PASSWORD = "Secret-1-word"


class CountingPool(PasswordPool):
    """The real pool, which counts."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    async def hash(self, password: str) -> str:
        self.done.append("hash")
        return await super().hash(password)

    async def verify(self, hashed: str, password: str) -> bool:
        self.done.append("verify")
        return await super().verify(hashed, password)


@dataclass
class Auth:
    """The auth service in this process."""

    context: Context
    client: httpx.AsyncClient
    pool: CountingPool
    statements: list[str] = field(default_factory=list[str])

    async def post(self, path: str, **body: str) -> int:
        """The status; what it cost is in `statements` and `pool.done` afterwards."""
        self.statements.clear()
        self.pool.done.clear()
        return (await self.client.post(f"/api{path}", json=body)).status_code


@pytest.fixture
async def auth(database_url: str, valkey_server: ValkeyServer, tmp_path: Path) -> AsyncIterator[Auth]:
    names = ("jwt_secret_key", "service_key", "reset_key")
    values = dict.fromkeys(names, "a secret of more than thirty-two bytes, for tests") | {"api_key_pepper": PEPPER}
    for name, value in (values | {"database_url": database_url, "redis_url": valkey_server.database(18)}).items():
        (tmp_path / name).write_text(value)
    app = make_app(Settings(secrets=tmp_path, component="auth", environment="test", failures_per_address=1000))
    context: Context = app.state.context
    pool = CountingPool()
    context.parts[AuthParts] = replace(context.part(AuthParts), passwords=pool)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inside") as client:
        inside = Auth(context, client, pool)
        listen(inside)
        yield inside
    pool.close()
    await context.close()


def listen(auth: Auth) -> None:
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        auth.statements.append(statement)

    database = auth.context.database
    # On Postgres both stand on one pool, and what the one does the other hears.
    engines = {id(engine.sync_engine.pool): engine.sync_engine for engine in (database.reads, database.writes)}
    for engine in engines.values():
        event.listen(engine, "before_cursor_execute", note)


def add_user(url: str, username: str) -> None:
    with sync_engine(url).begin() as connection:
        user = connection.execute(
            insert(Authenticatable).values(type="user").returning(Authenticatable.id)
        ).scalar_one()
        organization = connection.execute(insert(Organization).values(name="o").returning(Organization.id)).scalar_one()
        values = {"username": username, "password": hash_password(PASSWORD), "organization_id": organization}
        connection.execute(insert(User).values(id=user, **values))


def add_nodes(url: str, side: int, first_key: str) -> None:
    """A node for each pair of `side` organizations and `side` collaborations; one has that key."""
    with sync_engine(url).begin() as connection:
        organizations = connection.scalars(
            insert(Organization).returning(Organization.id), [{"name": f"o{n}"} for n in range(side)]
        ).all()
        collaborations = connection.scalars(
            insert(Collaboration).returning(Collaboration.id),
            [{"name": f"c{uuid.uuid4()}", "encrypted": False} for _ in range(side)],
        ).all()
        pairs = [(o, c) for o in organizations for c in collaborations]
        nodes = connection.scalars(
            insert(Authenticatable).returning(Authenticatable.id), [{"type": "node"} for _ in pairs]
        ).all()
        keys = [first_key, *(str(uuid.uuid4()) for _ in pairs[1:])]
        rows = [
            {"id": node, "api_key_id": api_key_id(key, PEPPER), "organization_id": o, "collaboration_id": c}
            for node, key, (o, c) in zip(nodes, keys, pairs, strict=True)
        ]
        connection.execute(insert(Node), rows)


async def test_every_refusal_takes_one_check_whether_the_user_is_there_or_not(auth: Auth, database_url: str) -> None:
    add_user(database_url, "ada")
    checks: list[list[str]] = []
    for username in ("nobody", "ada", "nobody", "ada"):
        assert await auth.post("/token/user", username=username, password="wrong") == 401
        checks.append(list(auth.pool.done))
    for _ in range(5):
        assert await auth.post("/token/user", username="ada", password="wrong") == 401
    # Locked by now: the right password is refused, and takes as much.
    assert await auth.post("/token/user", username="ada", password=PASSWORD) == 401
    checks.append(list(auth.pool.done))
    assert checks == [["verify"]] * 5


async def test_a_node_signs_in_at_the_same_cost_among_ten_and_ten_thousand(auth: Auth, database_url: str) -> None:
    key, costs = str(uuid.uuid4()), list[tuple[int, int, int]]()
    add_nodes(database_url, 3, key)
    for side in (0, 100):
        if side:
            add_nodes(database_url, side, str(uuid.uuid4()))
        assert await auth.post("/token/node", api_key=key) == 200
        right = len(auth.statements)
        assert await auth.post("/token/node", api_key=str(uuid.uuid4())) == 401
        costs.append((right, len(auth.statements), len(auth.pool.done)))
    assert costs[0] == costs[1]
    assert costs[0][1:] == (1, 0)


def test_a_node_is_found_by_an_index(database_url: str) -> None:
    add_nodes(database_url, 100, str(uuid.uuid4()))
    engine = sync_engine(database_url)
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
        query = text(f"{explain} SELECT id, api_key_hash FROM node WHERE api_key_id = :key")
        plan = "\n".join(str(row) for row in connection.execute(query, {"key": api_key_id("x", PEPPER)}))
    assert "ix_node_api_key_id" in plan
