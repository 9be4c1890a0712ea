"""One description out of those of the three services."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dataquality import __version__
from dataquality.core.context import Context
from dataquality.core.errors import ApiError, Unavailable

Json = dict[str, Any]
_SECONDS = 60.0
_ABOUT = (
    "Coordinates federated analysis: organizations, their users and nodes, collaborations, tasks and results. "
    "Sign in with `POST /token/user`, then send `Authorization: Bearer <access_token>`. "
    "Every answer but a success has the same shape: `msg` for people, `code` for programs, "
    "and where fields are wrong `message` with a text for each."
)


@dataclass
class WholeDescription:
    """Asks the other services for theirs, and remembers the whole for a minute."""

    _document: Json | None = field(default=None, init=False)
    _until: float = field(default=0.0, init=False)

    async def read(self, context: Context, own: Json) -> Json:
        """The document. Raises Unavailable when a service does not answer."""
        if self._document is None or time.monotonic() >= self._until:
            settings = context.settings
            asked = (settings.entity_url, settings.dispatch_url)
            try:
                others = await asyncio.gather(*(context.client.get(f"{url}/internal/openapi.json") for url in asked))
            except ApiError as error:
                raise Unavailable("A part of the server does not describe itself at the moment. Try again.") from error
            self._document = merged(own, *others)
            self._until = time.monotonic() + _SECONDS
        return self._document


def merged(*parts: Json) -> Json:
    """One document. Raises ValueError where two parts call different things by one name, or a link leads nowhere."""
    paths: Json = {}
    schemas: Json = {}
    for part in parts:
        for path, operations in part["paths"].items():
            paths.setdefault(path, {}).update(operations)
        for name, schema in part["components"]["schemas"].items():
            if schemas.setdefault(name, schema) != schema:
                raise ValueError(f"two services describe different things as {name}")
    _require_targets(paths)
    return {
        "openapi": "3.1.0",
        "info": {"title": "dataquality server", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted({tag for one in _operations(paths) for tag in one["tags"]})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operations(paths: Json) -> Iterator[Json]:
    for operations in paths.values():
        yield from operations.values()


def _require_targets(paths: Json) -> None:
    known = {operation["operationId"] for operation in _operations(paths)}
    links = {
        link for one in _operations(paths) for answer in one["responses"].values() for link in answer.get("links", ())
    }
    if links - known:
        raise ValueError(f"links to operations that do not exist: {', '.join(sorted(links - known))}")
