"""Types of fields in requests, and of ids in paths and queries."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from dataquality.core.errors import NotFound
from dataquality.core.query import MAX_ID

_LONGEST_NAME = 255


def _storable(text: str) -> str:
    # Postgres holds no zero characters, and half of a surrogate pair is no character at all.
    if "\x00" in text or not _encodable(text):
        raise ValueError("must not hold zero characters or halves of surrogate pairs")
    return text


def _encodable(text: str) -> bool:
    # Costs nothing, where to encode a large result would cost a copy of it.
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(value: Any) -> Any:
    # What a container printed: it must not cost the result that it printed a character that no database takes.
    if not isinstance(value, str):
        return value
    text = value if _encodable(value) else value.encode("utf-8", "replace").decode()
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _instant(value: Any) -> Any:
    if value is None or isinstance(value, datetime):
        return value
    try:
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("must be an ISO 8601 time, such as 2026-11-23T10:00:00+00:00") from error


def _possible(identity: int) -> int:
    if identity > MAX_ID:
        raise NotFound(f"There is nothing with the id {identity}.")
    return identity


class Body(BaseModel):
    """The JSON body of a request: no conversions, unknown fields ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Filters(BaseModel):
    """The query parameters of a list; what a route does not know is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    include: list[str] = Field(default_factory=list[str])

    def includes(self, *words: str) -> bool:
        """True if one of these was asked for."""
        return any(word in self.include for word in words)


Text = Annotated[str, AfterValidator(_storable)]
"""Any text."""
ShortText = Annotated[str, Field(max_length=_LONGEST_NAME), AfterValidator(_storable)]
"""A text of at most 255 characters."""
Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME), AfterValidator(_storable)]
"""A text of 1 to 255 characters."""
Log = Annotated[str, BeforeValidator(_printable)]
"""What a container printed: what cannot be stored of it is replaced."""
Time = Annotated[datetime, BeforeValidator(_instant)]
"""Any ISO 8601 time; naive ones count as UTC."""
BodyId = Annotated[int, Field(ge=1, le=MAX_ID)]
"""An id in a body."""
FilterId = Annotated[int, Field(ge=1, le=MAX_ID)]
"""An id in a query."""
PathId = Annotated[int, AfterValidator(_possible)]
"""An id in a path; one larger than any id can be is unknown like others that are not there."""
Includes = Annotated[list[str] | None, Query()]
"""The `include` parameter of routes for one object."""
