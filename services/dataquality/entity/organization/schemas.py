"""Bodies and queries."""

from pydantic import BaseModel

from dataquality.core.fields import Text
from dataquality.core.query import Id, Words
from dataquality.entity.fields import Body, PublicKey


class OrganizationBody(Body):
    """Of POST and PATCH alike: what is absent or null is empty in the one, and unchanged in the other."""

    name: Text | None = None
    address1: Text | None = None
    address2: Text | None = None
    zipcode: Text | None = None
    country: Text | None = None
    domain: Text | None = None
    public_key: PublicKey | None = None


class OrganizationFilters(BaseModel):
    """Query of the list."""

    name: Words | None = None
    country: Words | None = None
    collaboration_id: Id | None = None
