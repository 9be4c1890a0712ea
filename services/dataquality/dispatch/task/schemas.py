"""What requests about tasks may hold."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from dataquality.core.fields import Body, BodyId, Name, ShortText, Text
from dataquality.core.query import Words
from dataquality.dispatch.fields import FilterId, Filters

_MOST_ORGANIZATIONS = 1000


def _as_text(value: Any) -> Any:
    # Older clients send a JSON object; it is kept as its text.
    return json.dumps(value) if isinstance(value, dict) else value


_TEXT_OR_OBJECT = {"anyOf": [{"type": "string"}, {"type": "object"}]}


def _aware(value: Any) -> Any:
    # Whoever sets a deadline means one moment; a time without a zone would be another one for each reader.
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is None:
            raise ValueError
        return parsed.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("must be an ISO 8601 time with its zone, such as 2026-11-24T18:00:00+01:00") from error


Instant = Annotated[datetime, BeforeValidator(_aware)]
Input = Annotated[Text, BeforeValidator(_as_text), WithJsonSchema(_TEXT_OR_OBJECT)]


class Addressee(Body):
    """An organization that is asked, and the input for it alone."""

    id: BodyId
    input: Input | None = None


class TaskBody(Body):
    """A new task."""

    collaboration_id: BodyId
    organizations: Annotated[list[Addressee], Field(max_length=_MOST_ORGANIZATIONS)]
    image: Name
    name: ShortText | None = None
    description: Text | None = ""
    database: ShortText | None = None
    deadline: Instant | None = None
    """When what is open of the task is ended."""

    def inputs(self) -> list[tuple[str, str | None]]:
        """The input for each organization, with the name of its field."""
        return [(f"organizations.{place}.input", one.input) for place, one in enumerate(self.organizations)]


class TaskFilters(Filters):
    """The filters of `GET task`."""

    initiator_id: FilterId | None = None
    init_user_id: FilterId | None = None
    collaboration_id: FilterId | None = None
    parent_id: FilterId | None = None
    run_id: FilterId | None = None
    result_id: FilterId | None = None
    name: Words | None = None
    image: Words | None = None
    description: Words | None = None
    database: Words | None = None
    status: Words | None = None
