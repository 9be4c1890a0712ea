"""Query filters as the contract has them (section 0.4)."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import BeforeValidator
from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

_TRUE = {"true", "1"}
_FALSE = {"false", "0"}
MAX_ID = 2**31 - 1


def _boolean(value: Any) -> Any:
    text = str(value).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("must be true, false, 1 or 0")


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("must be a date, YYYY-MM-DD, or an ISO 8601 time") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


Boolean = Annotated[bool, BeforeValidator(_boolean)]
"""True, False, 1 or 0 in any case: Python clients send `True`."""
Instant = Annotated[datetime, BeforeValidator(_instant)]
"""A date (its midnight, UTC) or a time; naive ones count as UTC."""
Id = Annotated[int, Query(ge=1, le=MAX_ID)]


def like(column: InstrumentedAttribute[Any], pattern: str | None) -> list[ColumnElement[bool]]:
    """The caller's own SQL wildcards, in any case; nothing when no pattern was given."""
    return [] if pattern is None else [column.ilike(pattern)]


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
