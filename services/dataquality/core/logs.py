"""Logs: one rotating file for all processes, and the console; every line ends with its context (request id ...)."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler

from dataquality.core.connection_logs import limit_libraries
from dataquality.core.log_lines import CONTEXT, formatter
from dataquality.core.redaction import Redactor, secrets_in
from dataquality.core.settings import LoggingSettings, Settings

_KIB = 1024
_CHATTY = (
    *("uvicorn", "httpx", "asyncio", "sqlalchemy", "engineio", "socketio", "kombu", "amqp"),
    # Without a level of its own this one adds a handler, which writes to the console past ours.
    "engineio.server",
)
"""Libraries that drown everything else when the whole server is asked for DEBUG; by name they can be asked."""
_FLOORS = {"aiosqlite": logging.WARNING, "httpcore": logging.WARNING, "sqlalchemy": logging.INFO}
"""Below these they write what is sent and stored, with headers and values: the configuration refuses it by name too."""


def set_up_logging(settings: Settings) -> None:
    """Send the logs of this process, its libraries' included, where the configuration says."""
    root = logging.getLogger()
    root.handlers[:] = _handlers(settings.logging, Redactor(secrets_in(settings.secrets)))
    root.setLevel(settings.logging.level)
    _set_levels(settings.logging)
    limit_libraries()
    structlog.contextvars.bind_contextvars(component=settings.component)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.contextvars.merge_contextvars, _render],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _set_levels(settings: LoggingSettings) -> None:
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    # Our own line a request holds more (and no query string, which may hold names).
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    root = logging.getLogger().level
    for name in _FLOORS:
        logging.getLogger(name).setLevel(max(_FLOORS[name], root))
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.INFO if name == "uvicorn" else logging.WARNING, root))
    for entry in settings.loggers:
        floor = _FLOORS.get(entry.name.split(".")[0], logging.NOTSET)
        logging.getLogger(entry.name).setLevel(max(floor, logging.getLevelNamesMapping()[entry.level]))


def _handlers(settings: LoggingSettings, redact: Redactor) -> "list[logging.Handler]":
    handlers: list[logging.Handler] = []
    if settings.file is not None:
        handlers.append(
            ConcurrentRotatingFileHandler(
                str(settings.file),
                maxBytes=settings.max_size * _KIB,
                backupCount=settings.backup_count,
                encoding="utf-8",
                chmod=0o640,
            )
        )
    if settings.use_console or not handlers:
        handlers.append(logging.StreamHandler(sys.stderr))
    for handler in handlers:
        handler.setFormatter(formatter(settings.format, settings.datefmt, redact))
    return handlers


def _render(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    message = str(event.pop("event"))
    # The standard library's own words for an error's trace.
    told = {name: event.pop(name) for name in ("exc_info", "stack_info") if name in event}
    return (message,), {"extra": {CONTEXT: dict(event)}, **told}
