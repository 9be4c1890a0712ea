"""Bodies and filters of requests about users."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from dataquality.auth.fields import BodyIds, BoundedText
from dataquality.core.fields import Body, BodyId, Name, ShortText, Username
from dataquality.core.query import Id, Instant, Words


class UserCreation(Body):
    """A new user; without an organization, one of the caller's own."""

    username: Username
    firstname: ShortText
    lastname: ShortText
    password: BoundedText
    email: Name
    organization_id: BodyId | None = None
    roles: BodyIds | None = None
    rules: BodyIds | None = None


class UserChange(Body):
    """What is to change; null, or left out: unchanged. `roles` and `rules` replace what was there."""

    username: Name | None = None
    firstname: ShortText | None = None
    lastname: ShortText | None = None
    email: Name | None = None
    organization_id: BodyId | None = None
    roles: BodyIds | None = None
    rules: BodyIds | None = None
    current_password: BoundedText | None = None
    """Needed to change one's own `email`."""
    password: Annotated[object, WithJsonSchema({"type": "null"})] = None

    @field_validator("password")
    @classmethod
    def _refuse_password(cls, value: object) -> object:
        if value is not None:
            raise PydanticCustomError("not_here", "cannot be changed here; use PATCH password/change")
        return value


class UserFilter(BaseModel):
    """Which users are wanted; texts are SQL patterns."""

    model_config = ConfigDict(extra="ignore")

    username: Words | None = None
    firstname: Words | None = None
    lastname: Words | None = None
    email: Words | None = None
    organization_id: Id | None = None
    role_id: Id | None = None
    rule_id: Id | None = None
    last_seen_from: Instant | None = None
    last_seen_till: Instant | None = None


Filter = Annotated[UserFilter, Query()]
