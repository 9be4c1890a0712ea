"""The services' applications in this process, on a real database, so that a test sees what they ask of it."""

import asyncio
import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI
from sqlalchemy import event

from dataquality.auth.app import make_app as make_auth
from dataquality.auth.rights.source import DatabasePermissions
from dataquality.core.settings import Settings
from dataquality.core.tokens import TokenKey
from dataquality.dispatch.app import make_app as make_dispatch
from dataquality.entity.app import make_app as make_entity
from support.services import service_of

_MAKERS = {"auth": make_auth, "entity": make_entity, "dispatch": make_dispatch}
_JWT = secrets.token_urlsafe(32)
# Nobody listens there: what these tests ask needs no Redis.
_NO_REDIS = "redis://:none@127.0.0.1:1/0"


@dataclass
class Statement:
    """One statement as the driver got it."""

    text: str
    parameters: Any


@dataclass
class Inside:
    """Asks the applications as one caller or another; paths are relative to the API path."""

    _apps: dict[str, FastAPI]
    _runner: asyncio.Runner
    statements: list[Statement] = field(default_factory=list[Statement])
    """What the last request read from the database."""
    _tokens: dict[int, str] = field(default_factory=dict[int, str])

    def get(self, path: str, user: int, query: Sequence[tuple[str, str]] = ()) -> httpx.Response:
        """The answer to a user."""
        self.statements.clear()
        return self._runner.run(self._get(path, user, query))

    async def _get(self, path: str, user: int, query: Sequence[tuple[str, str]]) -> httpx.Response:
        if user not in self._tokens:
            self._tokens[user] = TokenKey(_JWT).issue(user, "user", "access", None).text
        transport = httpx.ASGITransport(self._apps[service_of(path)])
        headers = {"Authorization": f"Bearer {self._tokens[user]}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
            # Encoded here: the client would put repeated keys beside each other.
            return await client.get(f"/api{path}{'?' if query else ''}{urlencode(query)}", headers=headers)


@contextmanager
def inside(database_url: str, folder: Path) -> Generator[Inside]:
    """The three services on this database until the block ends."""
    names = ("jwt_secret_key", "service_key", "api_key_pepper", "reset_key")
    values = dict.fromkeys(names, _JWT) | {"database_url": database_url, "redis_url": _NO_REDIS}
    for name, value in values.items():
        (folder / name).write_text(value)
    with asyncio.Runner() as runner:
        apps = runner.run(_made(folder))
        asked = Inside(apps, runner)
        for app in apps.values():
            reads = app.state.context.database.reads.sync_engine
            event.listen(reads, "before_cursor_execute", _noting(asked.statements))
        yield asked
        for app in apps.values():
            runner.run(app.state.context.close())


async def _made(folder: Path) -> dict[str, FastAPI]:
    apps = {name: make(Settings(secrets=folder, component=name, environment="test")) for name, make in _MAKERS.items()}
    for app in apps.values():
        # As auth has it: there is no other process to ask.
        app.state.context.permissions = DatabasePermissions(app.state.context.database)
    return apps


def _noting(statements: list[Statement]) -> Any:
    def note(_connection: Any, _cursor: Any, text: str, parameters: Any, *_: Any) -> None:
        statements.append(Statement(text, parameters))

    return note
