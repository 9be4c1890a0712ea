"""Bodies and filters of requests about roles."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from dataquality.auth.fields import BodyIds, BoundedText
from dataquality.core.fields import Body, BodyId, Name
from dataquality.core.query import Id, Words


class RoleCreation(Body):
    """A new role; without an organization, one of the caller's own."""

    name: Name
    description: BoundedText
    rules: BodyIds | None = None
    organization_id: BodyId | None = None


class RoleChange(Body):
    """What is to change; null, or left out: unchanged. `rules` replace what was there."""

    name: Name | None = None
    description: BoundedText | None = None
    rules: BodyIds | None = None


class RoleFilter(BaseModel):
    """Which roles are wanted. Texts are SQL patterns; of repeated keys any may fit."""

    model_config = ConfigDict(extra="ignore")

    name: list[Words] = Field(default_factory=list[str])
    description: list[Words] = Field(default_factory=list[str])
    organization_id: list[Id] = Field(default_factory=list[int])
    include_root: str = ""
    """Anything but an empty text: with `organization_id`, those of no organization too."""
    rule_id: Id | None = None
    user_id: Id | None = None


Filter = Annotated[RoleFilter, Query()]
