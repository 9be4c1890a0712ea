"""Bodies and queries."""

from pydantic import BaseModel

from dataquality.core.fields import Text
from dataquality.core.query import Id, Instant, Words
from dataquality.entity.fields import Body, Flag, Reference
from dataquality.model import OnlineStatus


class NewNode(Body):
    """Of POST; the organization is the caller's own unless another is named."""

    collaboration_id: Reference
    organization_id: Reference | None = None
    name: Text | None = None


class NodeChange(Body):
    """Of PATCH; `clear_ip` counts only where no `ip` is given."""

    name: Text | None = None
    organization_id: Reference | None = None
    collaboration_id: Reference | None = None
    ip: Text | None = None
    clear_ip: Flag | None = None


class NodeFilters(BaseModel):
    """Query of the list."""

    name: Words | None = None
    organization_id: Id | None = None
    collaboration_id: Id | None = None
    status: OnlineStatus | None = None
    ip: Words | None = None
    last_seen_from: Instant | None = None
    last_seen_till: Instant | None = None
