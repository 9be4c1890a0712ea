"""Types of fields that only this service's requests have."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dataquality.core.fields import is_encodable
from dataquality.core.query import MAX_ID


def _printable(value: Any) -> Any:
    # What a container printed: it must not cost the result that it printed a character that no database takes.
    if not isinstance(value, str):
        return value
    text = value if is_encodable(value) else value.encode("utf-8", "replace").decode()
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _instant(value: Any) -> Any:
    if value is None or isinstance(value, datetime):
        return value
    try:
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("must be an ISO 8601 time, such as 2026-11-23T10:00:00+00:00") from error


class Filters(BaseModel):
    """The query parameters of a list; what a route does not know is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    include: list[str] = Field(default_factory=list[str])

    def includes(self, *words: str) -> bool:
        """True if one of these was asked for."""
        return any(word in self.include for word in words)


Log = Annotated[str, BeforeValidator(_printable)]
"""What a container printed: what cannot be stored of it is replaced."""
Time = Annotated[datetime, BeforeValidator(_instant)]
"""Any ISO 8601 time; naive ones count as UTC."""
FilterId = Annotated[int, Field(ge=1, le=MAX_ID)]
"""An id in a query."""
Includes = Annotated[list[str] | None, Query()]
"""The `include` parameter of routes for one object."""
