"""Tells over HTTP whether the worker or beat works, as the services do: GET /internal/ready.

200 when the canary last ran (worker) or was sent (beat) less than a minute ago and the database and Redis answer; else
503 with what is wrong. A worker that is alive but silent is not ready.
"""

import json
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Thread
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from dataquality.core.database import create_autocommit_engine
from dataquality.core.settings import Settings
from dataquality.dispatch.names import CANARY_KEYS, CANARY_MAX_AGE
from dataquality.dispatch.redis_sync import connect_redis_sync
from dataquality.model import utc_now

READY_PATH = "/internal/ready"
Problems = Callable[[], list[str]]


def serve_health(settings: Settings) -> None:
    """Answer on this component's own address, in a thread, until the process ends."""
    handler = _handler(_problems_of(settings))
    server = _UnixServer(settings.socket, handler) if settings.socket else _server(settings, handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="health", daemon=True).start()


def _server(settings: Settings, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    return ThreadingHTTPServer((settings.host, settings.port), handler)


class _UnixServer(ThreadingUnixStreamServer):
    """The same on a Unix socket, in the place of one that a killed process left."""

    def __init__(self, path: Path, handler: type[BaseHTTPRequestHandler]) -> None:
        path.unlink(missing_ok=True)
        super().__init__(str(path), handler)


def _problems_of(settings: Settings) -> Problems:
    engine = create_autocommit_engine(settings.database_url)
    redis = connect_redis_sync(settings.redis_url)

    def problems() -> list[str]:
        found = (database_problem(engine), _canary(redis, settings.component))
        return [problem for problem in found if problem]

    return problems


def database_problem(engine: Engine) -> str | None:
    """What is wrong with the database; None when it answers."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return f"The database does not answer: {str(error).splitlines()[0]}"
    finally:
        # No connection stays open between checks: a process that the worker forks would share it.
        engine.dispose()
    return None


def _canary(redis: Any, component: str) -> str | None:
    try:
        last = redis.get(CANARY_KEYS[component])
    except RedisError as error:
        return f"Redis does not answer: {error}"
    if last is None:
        return "The canary job has not been seen yet."
    age = (utc_now() - datetime.fromisoformat(last)).total_seconds()
    return None if age < CANARY_MAX_AGE else f"The canary job was last seen {age:.0f} s ago."


def _handler(problems: Problems) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != READY_PATH:
                self._answer(404, {"msg": "There is nothing at this address."})
                return
            failed = problems()
            self._answer(503 if failed else 200, {"ready": not failed, "failed": failed})

        def log_message(self, format: str, *args: Any) -> None:
            """A line every few seconds would say nothing."""

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
