"""Query filters as the contract has them (section 0.4)."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

_TRUE = {"true", "1"}
_FALSE = {"false", "0"}
MAX_ID = 2**31 - 1
_LONGEST_TEXT = 1000
_ESCAPE = "\\"


def _boolean(value: Any) -> Any:
    text = str(value).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("must be true, false, 1 or 0")


def _whole(value: Any) -> Any:
    # JSON knows one kind of number: 7.0 is 7, and some programs write it so.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("must be a date, YYYY-MM-DD, or an ISO 8601 time") from error


def _without_nul(text: str) -> str:
    # Postgres knows no such text, and so nothing can be found by it.
    if "\0" in text:
        raise ValueError("must not hold the character NUL")
    return text


_WORDS_OF_TRUTH = r"^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[01])$"
_BOOLEAN = {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, {"type": "string", "pattern": _WORDS_OF_TRUTH}]}
_DAY_OR_TIME = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
Whole = BeforeValidator(_whole)
"""For a whole number in a body, however it is written."""
Boolean = Annotated[bool, BeforeValidator(_boolean), WithJsonSchema(_BOOLEAN)]
"""True, False, 1 or 0 in any case: Python clients send `True`."""
Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema(_DAY_OR_TIME)]
"""A date (its midnight, UTC) or a time; naive ones count as UTC."""
Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Words = Annotated[str, Field(max_length=_LONGEST_TEXT), AfterValidator(_without_nul)]
"""A text to find things by, or an SQL pattern."""


def like(column: InstrumentedAttribute[Any], pattern: str | None) -> list[ColumnElement[bool]]:
    """The caller's own SQL wildcards, in any case; nothing when no pattern was given.

    A backslash takes a wildcard for what it is, on every database.
    """
    return [] if pattern is None else [column.ilike(_ended(pattern), escape=_ESCAPE)]


def _ended(pattern: str) -> str:
    # A backslash before nothing would be an error on one database and never fit on the other; so it means itself.
    backslashes = len(pattern) - len(pattern.rstrip(_ESCAPE))
    return pattern + _ESCAPE * (backslashes % 2)


def equal(column: InstrumentedAttribute[Any], value: Any | None) -> list[ColumnElement[bool]]:
    """Equality; nothing when no value was given."""
    return [] if value is None else [column == value]


def between(
    column: InstrumentedAttribute[Any], start: datetime | None, end: datetime | None
) -> list[ColumnElement[bool]]:
    """From `start` to `end`, both included; an `end` at midnight means the whole of that day."""
    conditions: list[ColumnElement[bool]] = []
    if start is not None:
        conditions.append(column >= start)
    if end is not None:
        whole_day = end.time() == time.min and end <= datetime.combine(date.max, time.min, UTC) - timedelta(days=1)
        conditions.append(column < end + timedelta(days=1) if whole_day else column <= end)
    return conditions
