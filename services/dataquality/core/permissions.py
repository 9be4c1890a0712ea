"""What a caller may do: asked of `auth` over HTTP, remembered in Redis under (identity, stamp)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import structlog
from redis.exceptions import RedisError

from dataquality.core.client import ServiceClient, ServiceError
from dataquality.core.errors import Unauthorized
from dataquality.core.redis import RedisClient
from dataquality.model import Operation, Scope

log = structlog.stdlib.get_logger(__name__)
IdentityKind = Literal["user", "node", "container"]
_CACHE_SECONDS = 3600


@dataclass(frozen=True)
class Grant:
    """One rule that somebody holds."""

    resource: str
    scope: Scope
    operation: Operation

    def __str__(self) -> str:
        return f"{self.resource}:{self.scope.value}:{self.operation.value}"

    @property
    def sentence(self) -> str:
        """The rule as the contract's texts name it."""
        return f"{self.operation.name.lower()} {self.resource} at scope {self.scope.name.lower()}"

    @classmethod
    def parse(cls, text: str) -> "Grant":
        """The grant that `str` wrote."""
        resource, scope, operation = text.split(":")
        return cls(resource, Scope(scope), Operation(operation))


@dataclass(frozen=True)
class Permissions:
    """All that somebody holds. Scopes do not imply one another."""

    grants: frozenset[Grant]
    has_first_password: bool = False
    """True while this is the first user with the first password, which everybody knows."""

    def scopes(self, resource: str, operation: Operation) -> frozenset[Scope]:
        """The scopes in which the operation on this kind of resource is allowed."""
        return frozenset(
            grant.scope for grant in self.grants if (grant.resource, grant.operation) == (resource, operation)
        )

    def holds(self, resource: str, scope: Scope, operation: Operation) -> bool:
        """True if exactly this rule is held."""
        return Grant(resource, scope, operation) in self.grants

    def lacking(self, wanted: Iterable[Grant]) -> list[Grant]:
        """Those of the wanted grants that are not held: "you cannot give what you lack"."""
        return [grant for grant in wanted if grant not in self.grants]

    def to_json(self) -> dict[str, object]:
        """As services tell one another, and Redis remembers."""
        first: dict[str, object] = {"has_first_password": True} if self.has_first_password else {}
        return {"grants": sorted(map(str, self.grants)), **first}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Permissions":
        """What `to_json` wrote."""
        return cls(frozenset(map(Grant.parse, document["grants"])), document.get("has_first_password", False))


@dataclass(frozen=True)
class Stamped:
    """Permissions and the stamp of the identity at the moment when they were read."""

    stamp: int
    permissions: Permissions

    def to_json(self) -> dict[str, object]:
        """The answer of auth's `/internal/permissions/{kind}/{id}`."""
        return {"stamp": self.stamp, **self.permissions.to_json()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Stamped":
        """What `to_json` wrote."""
        return cls(document["stamp"], Permissions.from_json(document))


class PermissionSource(Protocol):
    """Where permissions come from. `identity` is the user's or the node's id (a container's: its node's)."""

    async def permissions(self, kind: IdentityKind, identity: int, stamp: int) -> Permissions:
        """What this identity may do; `stamp` is the one its row has now."""
        ...


class PermissionsOverHttp:
    """Asks `auth`. Raises Unavailable when it does not answer."""

    def __init__(self, client: ServiceClient, auth_url: str) -> None:
        self._client = client
        self._auth_url = auth_url

    async def read(self, kind: IdentityKind, identity: int) -> Stamped:
        """What auth says now. Raises Unauthorized when the identity has just gone."""
        try:
            answer = await self._client.get(f"{self._auth_url}/internal/permissions/{kind}/{identity}")
        except ServiceError as error:
            raise Unauthorized(f"This {kind} no longer exists. Sign in again.") from error
        return Stamped.from_json(answer)

    async def permissions(self, kind: IdentityKind, identity: int, stamp: int) -> Permissions:
        return (await self.read(kind, identity)).permissions


class CachedPermissions:
    """Remembers in Redis what `source` said. Redis down or empty costs time, never correctness."""

    def __init__(self, redis: RedisClient, source: PermissionsOverHttp) -> None:
        self._redis = redis
        self._source = source

    async def permissions(self, kind: IdentityKind, identity: int, stamp: int) -> Permissions:
        try:
            found = await self._remembered(_key(kind, identity, stamp))
        except RedisError as error:
            # Not asked to remember either: a Redis that hangs costs two seconds for each question.
            log.warning("permission cache unreachable", error=type(error).__name__)
            return await self._source.permissions(kind, identity, stamp)
        if found is not None:
            return found
        fresh = await self._source.read(kind, identity)
        await self._remember(_key(kind, identity, fresh.stamp), fresh.permissions)
        return fresh.permissions

    async def _remembered(self, key: str) -> Permissions | None:
        text = await self._redis.get(key)
        return None if text is None else Permissions.from_json(json.loads(text))

    async def _remember(self, key: str, permissions: Permissions) -> None:
        try:
            await self._redis.set(key, json.dumps(permissions.to_json()), ex=_CACHE_SECONDS)
        except RedisError as error:
            log.warning("permission cache unreachable", error=type(error).__name__)


def _key(kind: IdentityKind, identity: int, stamp: int) -> str:
    return f"rights:{kind}:{identity}:{stamp}"
