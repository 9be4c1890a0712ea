"""Logs: one rotating file for all processes, and the console; every line ends with its context (request id ...)."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler

from dataquality.core.settings import LoggingSettings, Settings

_KIB = 1024


def set_up_logging(settings: Settings) -> None:
    """Send the logs of this process, its libraries' included, where the configuration says."""
    handlers = list(_handlers(settings.logging))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(settings.logging.level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    # Our own line a request holds more (and no query string, which may hold names).
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    # These say what is sent, with headers, when the whole server is asked for DEBUG.
    for name in ("httpcore", "httpx", "asyncio", "sqlalchemy.engine", "engineio", "socketio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for entry in settings.logging.loggers:
        logging.getLogger(entry.name).setLevel(entry.level)
    structlog.contextvars.bind_contextvars(component=settings.component)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _handlers(settings: LoggingSettings) -> "list[logging.Handler]":
    formatter = _ContextFormatter(settings.format, settings.datefmt)
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
        handler.setFormatter(formatter)
    return handlers


class _ContextFormatter(logging.Formatter):
    """Adds the context to lines of libraries too, which know nothing of it."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        if getattr(record, "has_context", False):
            return line
        context = _pairs(structlog.contextvars.get_contextvars())
        first, _, rest = line.partition("\n")
        return "\n".join(part for part in (f"{first}{context}", rest) if part)


def _render(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[str], dict[str, dict[str, bool]]]:
    message = str(event.pop("event"))
    exception = event.pop("exception", None)
    line = message + _pairs(event)
    return (f"{line}\n{exception}" if exception else line,), {"extra": {"has_context": True}}


def _pairs(context: MutableMapping[str, Any] | dict[str, Any]) -> str:
    return "".join(
        f" {key}={value!r}" if " " in str(value) else f" {key}={value}" for key, value in sorted(context.items())
    )
