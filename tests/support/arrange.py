"""Rows that a test of one service needs and another service would make: organizations, nodes, tasks."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from sqlalchemy import Engine, insert, select, text, update

from dataquality.model import (
    Authenticatable,
    Collaboration,
    Node,
    OnlineStatus,
    Operation,
    Organization,
    Result,
    Role,
    Rule,
    Scope,
    SocketLease,
    Task,
    User,
    member,
    permission,
    userpermission,
)
from support.databases import sync_engine
from support.services import Api, Services, unique
from support.tokens import signed

PASSWORD = "Secret-1-word"
"""Of everybody that `Arrangement.user` makes."""
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_PASSWORD_HASH = _hasher.hash(PASSWORD)
Grants = Sequence[tuple[str, str, str]]
"""Rules as (resource, operation, scope), by the contract's words: ("user", "VIEW", "GLOBAL")."""


@dataclass
class Arrangement:
    """Writes into the database of running services, and makes tokens with their secrets."""

    services: Services

    @cached_property
    def engine(self) -> Engine:
        """The services' database."""
        return sync_engine(self.services.database_url)

    def secret(self, name: str) -> str:
        """One of the services' secrets."""
        return (Path(self.services.environment["DATAQUALITY_SECRETS"]) / name).read_text()

    def run(self, statement: str, **values: Any) -> None:
        """Change rows."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Look at rows."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]

    def organization(self) -> int:
        """A new organization."""
        return self._add(Organization, name=unique("organization"))

    def collaboration(self, *organizations: int) -> int:
        """A new collaboration of these organizations."""
        collaboration = self._add(Collaboration, name=unique("collaboration"), encrypted=False)
        with self.engine.begin() as connection:
            for organization in organizations:
                values = {"organization_id": organization, "collaboration_id": collaboration}
                connection.execute(insert(member).values(values))
        return collaboration

    def node(self, organization: int, collaboration: int, api_key: str, *, slow_hash_of: str | None = None) -> int:
        """A new node with that key; with a slow hash as well, for a key that a person chose."""
        key_id = hmac.new(self.secret("api_key_pepper").encode(), api_key.encode(), hashlib.sha256).hexdigest()
        return self._add_identity(
            Node,
            "node",
            name=unique("node"),
            api_key_id=key_id,
            api_key_hash=slow_hash_of and _hasher.hash(slow_hash_of),
            organization_id=organization,
            collaboration_id=collaboration,
        )

    def task(self, collaboration: int, *organizations: int, image: str = "image", init_user: int | None = None) -> int:
        """A new task with an open result per organization."""
        task = self._add(
            Task, name="t", image=image, database="default", collaboration_id=collaboration, run_id=1,
            init_user_id=init_user,
        )  # fmt: skip
        for organization in organizations:
            self._add(Result, task_id=task, organization_id=organization)
        return task

    def online(self, identity: int) -> None:
        """It counts as online, by a socket that an instance elsewhere holds: without one the clock ends that soon."""
        until = datetime.now(UTC) + timedelta(hours=1)
        with self.engine.begin() as connection:
            lease = {"sid": unique("sid"), "identity_id": identity, "instance": "elsewhere", "until": until}
            connection.execute(insert(SocketLease).values(lease))
            mine = update(Authenticatable).where(Authenticatable.id == identity)
            connection.execute(mine.values(status=OnlineStatus.ONLINE))

    def finish(self, task: int) -> None:
        """All results of the task are in."""
        self.run("UPDATE result SET finished_at = :now WHERE task_id = :task", now=datetime.now(UTC), task=task)

    def rule(self, resource: str, operation: str, scope: str) -> int:
        """The id of a rule."""
        with self.engine.connect() as connection:
            statement = select(Rule.id).where(
                Rule.name == resource, Rule.operation == Operation[operation], Rule.scope == Scope[scope]
            )
            return connection.scalars(statement).one()

    def role_id(self, name: str) -> int:
        """The id of a built-in role."""
        with self.engine.connect() as connection:
            statement = select(Role.id).where(Role.name == name, Role.organization_id.is_(None))
            return connection.scalars(statement).one()

    def global_role(self, name: str) -> int:
        """A new role of no organization, without rules."""
        return self._add(Role, name=name, description="")

    def user(self, organization: int, *, grants: Grants = (), roles: Sequence[int] = (), username: str = "") -> int:
        """A new user with these rules and roles, and the password PASSWORD."""
        name = username or unique("user")
        user = self._add_identity(
            User, "user", username=name, password=_PASSWORD_HASH, email=f"{name}@mail", organization_id=organization
        )
        with self.engine.begin() as connection:
            for grant in grants:
                values = {"rule_id": self.rule(*grant), "user_id": user}
                connection.execute(insert(userpermission).values(values))
            for role in roles:
                connection.execute(insert(permission).values(role_id=role, user_id=user))
        return user

    def signed_in(self, user: int) -> Api:
        """That user, with a token (made here: signing in is tested elsewhere)."""
        return Api(self.services.addresses, self.token(user, "user"))

    def caller(self, organization: int, grants: Grants = (), roles: Sequence[int] = ()) -> Api:
        """A new user with these rules and roles, signed in."""
        return self.signed_in(self.user(organization, grants=grants, roles=roles))

    def token(self, subject: Any, client_type: str, **claims: Any) -> str:
        """An access token as the contract describes it; `claims` differ from the usual ones."""
        now = datetime.now(UTC)
        usual: dict[str, Any] = {
            "sub": subject,
            "client_type": client_type,
            "roles": [],
            "type": "access",
            "fresh": False,
        }
        times = {"iat": now, "nbf": now, "exp": now + timedelta(hours=1), "jti": secrets.token_hex(8)}
        return signed(usual | times | claims, self.secret("jwt_secret_key"))

    def service_token(self, purpose: str = "service") -> str:
        """A token of one of the server's own parts."""
        now = datetime.now(UTC)
        claims = {"sub": "entity", "purpose": purpose, "iat": now, "exp": now + timedelta(seconds=60), "jti": "x"}
        return signed(claims, self.secret("service_key"))

    def _add(self, model: Any, **values: Any) -> int:
        with self.engine.begin() as connection:
            return connection.execute(insert(model).values(**values).returning(model.id)).scalar_one()

    def _add_identity(self, model: Any, kind: str, **values: Any) -> int:
        identity = self._add(Authenticatable, type=kind)
        with self.engine.begin() as connection:
            connection.execute(insert(model).values(id=identity, **values))
        return identity


def at_once(times: int, call: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """The answers to so many equal calls that are made at the same time."""
    with ThreadPoolExecutor(times) as pool:
        return [future.result() for future in [pool.submit(call) for _ in range(times)]]
