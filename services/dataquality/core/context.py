"""The parts that one running service has: made at start, closed at the end, reached through the request."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request

from dataquality.core.client import ServiceClient
from dataquality.core.database import Database
from dataquality.core.permissions import CachedPermissions, PermissionSource, PermissionsOverHttp
from dataquality.core.redis import RedisClient, connect_redis
from dataquality.core.settings import Settings
from dataquality.core.tokens import TokenKey

Part = TypeVar("Part")


def _no_matter(_node_id: int) -> None:
    """Where nobody asks who was seen."""


@dataclass
class Context:
    """What handlers and dependencies of a service stand on. `tokens` is None in a service that takes none."""

    settings: Settings
    database: Database
    redis: RedisClient
    client: ServiceClient
    service_key: TokenKey
    tokens: TokenKey | None
    permissions: PermissionSource
    parts: dict[type, Any] = field(default_factory=dict[type, Any])
    """What only one service has, by its type: see `part`."""
    saw_node: Callable[[int], None] = field(default=_no_matter)
    """Told of each call of a node, or of a container on it."""

    def part(self, kind: type[Part]) -> Part:
        """The part of that type, which the service put there at its start."""
        return self.parts[kind]

    async def close(self) -> None:
        """Close all connections."""
        await self.client.close()
        await self.redis.aclose()
        await self.database.close()


def make_context(settings: Settings) -> Context:
    """The context of a service that checks tokens and asks `auth` what callers may do."""
    service_key = TokenKey(settings.secret("service_key"))
    client = ServiceClient(service_key, settings.component, settings.sockets)
    redis = connect_redis(settings.redis_url)
    source = PermissionsOverHttp(client, settings.auth_url)
    return Context(
        settings=settings,
        database=Database(settings.database_url),
        redis=redis,
        client=client,
        service_key=service_key,
        tokens=TokenKey(settings.secret("jwt_secret_key")),
        permissions=CachedPermissions(redis, source),
    )


def context_of(request: Request) -> Context:
    """The context of the service that handles this request."""
    return request.app.state.context
