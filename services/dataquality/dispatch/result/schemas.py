"""What requests about results may hold."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from dataquality.core.fields import Body, Text
from dataquality.core.query import Instant
from dataquality.dispatch.fields import FilterId, Filters, Log, Time
from dataquality.model import ResultStatus

_OPEN: list[Any] = [status.value for status in ResultStatus if status.is_open]
_ENDED_AND_OPEN: dict[str, Any] = {
    "required": ["finished_at", "status"],
    "properties": {"finished_at": {"type": "string"}, "status": {"enum": _OPEN}},
}


class ResultPatch(Body):
    """What a node tells about its work; what it leaves out, or sends as null, stays as it is."""

    model_config = ConfigDict(json_schema_extra={"not": _ENDED_AND_OPEN})
    status: Annotated[ResultStatus | None, Field(strict=False)] = None
    started_at: Time | None = None
    finished_at: Time | None = None
    result: Text | None = None
    log: Log | None = None

    @model_validator(mode="after")
    def _ends_with_an_end(self) -> Self:
        if self.finished_at is not None and self.status is not None and self.status.is_open:
            raise ValueError(f"a result with a `finished_at` cannot be {self.status.value!r}; send how it ended")
        return self


class ResultFilters(Filters):
    """The filters of `GET result`."""

    task_id: FilterId | None = None
    organization_id: FilterId | None = None
    node_id: FilterId | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    state: Literal["open"] | None = None
    assigned_from: Instant | None = None
    assigned_till: Instant | None = None
    started_from: Instant | None = None
    started_till: Instant | None = None
    finished_from: Instant | None = None
    finished_till: Instant | None = None
