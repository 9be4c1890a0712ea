"""What requests about ports may hold."""

from typing import Annotated

from pydantic import Field

from dataquality.core.fields import Body, BodyId, ShortText
from dataquality.core.query import Whole
from dataquality.dispatch.fields import FilterId, Filters


class PortBody(Body):
    """A port that the algorithm of a result has open."""

    port: Annotated[int, Field(ge=1, le=65535), Whole]
    result_id: BodyId
    label: ShortText | None = None


class PortFilters(Filters):
    """The filters of `GET port`."""

    task_id: FilterId | None = None
    result_id: FilterId | None = None
    run_id: FilterId | None = None
