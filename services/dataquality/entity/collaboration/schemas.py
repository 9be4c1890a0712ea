"""Bodies and queries."""

from pydantic import BaseModel

from dataquality.core.query import Boolean, Id, Words
from dataquality.entity.fields import Body, Flag, Name, Reference


class NewCollaboration(Body):
    """Of POST; `encrypted` is false unless it is asked for."""

    name: Name
    organization_ids: list[Reference]
    encrypted: Flag | None = None


class CollaborationChange(Body):
    """Of PATCH."""

    name: Name | None = None
    organization_ids: list[Reference] | None = None
    encrypted: Flag | None = None


class CollaborationFilters(BaseModel):
    """Query of the list."""

    name: Words | None = None
    encrypted: Boolean | None = None
    organization_id: Id | None = None
