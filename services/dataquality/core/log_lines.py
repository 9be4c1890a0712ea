"""How a line of the log looks: as the configuration's `format` says, or as JSON; its context always with it."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import structlog

from dataquality.core.redaction import Redactor

CONTEXT = "dataquality_context"
"""The attribute of a record that holds its context."""
JSON = "json"
"""The `format` that asks for one JSON object a line."""
CALLERS_TEXT = 200
"""Characters of a path, or of another text of a caller, that are written. Callers cut it: what is not looked at costs
nothing."""
_MESSAGE = 2000
"""Characters of a message."""
_TRACE_LINE = 1000
_TRACE_LINES = 100
_EXCEPTION = "exception"


def formatter(format: str, datefmt: str, redact: Redactor) -> logging.Formatter:
    """What makes the lines of a `format`."""
    return _JsonLines(datefmt, redact) if format == JSON else _PlainLines(format, datefmt, redact)


class _PlainLines(logging.Formatter):
    """One line a message, then its context (`request_id=...`), then the trace of an error, if there is one."""

    def __init__(self, format: str, datefmt: str, redact: Redactor) -> None:
        super().__init__(format, datefmt)
        self._redact = redact

    def formatMessage(self, record: logging.LogRecord) -> str:
        # What others send must not be able to look like a line of its own.
        record.message = self._short(_one_line(self._short(record.message, _MESSAGE)), _MESSAGE)
        return super().formatMessage(record) + self._pairs(_context(record))

    def formatException(self, ei: Any) -> str:
        return _short_trace(super().formatException(ei), self._redact)

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))

    def _pairs(self, context: Mapping[str, Any]) -> str:
        return "".join(f" {key}={self._value(str(value))}" for key, value in sorted(context.items()))

    def _value(self, text: str) -> str:
        return self._short(_word(self._short(text, CALLERS_TEXT)), 2 * CALLERS_TEXT)

    def _short(self, text: str, most: int) -> str:
        return text if len(text) <= most else self._redact.beginning(text, most)


class _JsonLines(logging.Formatter):
    """One object a line: time, level, logger, message, what belongs to the context, and the trace of an error."""

    def __init__(self, datefmt: str, redact: Redactor) -> None:
        super().__init__(datefmt=datefmt or None)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {
            **_context(record),
            "time": self._time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._trace(record),
        }
        order = ("time", "level", "logger", "message")
        rest = sorted(line.keys() - set(order))
        return json.dumps({key: self._safe(key, line[key]) for key in (*order, *rest)}, default=repr)

    def _time(self, record: logging.LogRecord) -> str:
        if self.datefmt:
            return self.formatTime(record, self.datefmt)
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def _trace(self, record: logging.LogRecord) -> dict[str, str]:
        if record.exc_info and not record.exc_text:
            record.exc_text = _short_trace(self.formatException(record.exc_info), self._redact)
        return {_EXCEPTION: record.exc_text} if record.exc_text else {}

    def _safe(self, key: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if key == _EXCEPTION:
            return value
        prefix, most = f"{key}=", _MESSAGE if key == "message" else CALLERS_TEXT
        return self._redact.beginning(f"{prefix}{value}", len(prefix) + most).removeprefix(prefix)


def _context(record: logging.LogRecord) -> Mapping[str, Any]:
    """A library's record has none of its own, but was made while a request or a job was worked at."""
    own = cast("Mapping[str, Any] | None", getattr(record, CONTEXT, None))
    return structlog.contextvars.get_contextvars() if own is None else own


def _short_trace(trace: str, redact: Redactor) -> str:
    """Its first and last lines, each cut where it is long."""
    lines = trace.splitlines()
    if len(lines) > _TRACE_LINES:
        half = _TRACE_LINES // 2
        lines = [*lines[:half], f"... ({len(lines) - _TRACE_LINES} lines more)", *lines[-half:]]
    return "\n".join(redact.beginning(line, _TRACE_LINE) for line in lines)


def _word(value: str) -> str:
    """In quotes where it would not be seen as one word."""
    return value if value.isprintable() and value and not set(value) & {" ", '"', "'", "="} else repr(value)


def _one_line(text: str) -> str:
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
