"""Shapes of answers, for the API's description only: answers are built as plain dictionaries."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Id = Annotated[int, Field(ge=1, examples=[7])]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-23T10:00:00.000000+00:00"])]
"""UTC, ISO 8601."""


class Shape(BaseModel):
    """All fields are always there, and no others."""

    model_config = ConfigDict(extra="forbid")


class Link(Shape):
    """Where something is, and what can be done with it there."""

    id: Id
    link: Annotated[str, Field(examples=["/api/node/7"])]
    methods: list[Method]


Links = list[Link] | None
"""Null where there are none."""


class Message(Shape):
    """What was done, in words."""

    msg: Annotated[str, Field(examples=["It was deleted."])]


class Error(BaseModel):
    """Every answer but a success."""

    msg: str
    """For people: what was wrong, and what to do."""
    code: str
    """For programs."""
    message: Annotated[dict[str, str], Field(default_factory=dict, examples=[{"name": "Field required"}])]
    """A text for each field that is wrong."""
