"""Filters of requests about rules."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from dataquality.core.query import Id, Words

OperationName = Literal["VIEW", "EDIT", "CREATE", "DELETE"]
ScopeName = Literal["OWN", "ORGANIZATION", "COLLABORATION", "GLOBAL"]


class RuleFilter(BaseModel):
    """Which rules are wanted; by equality."""

    model_config = ConfigDict(extra="ignore")

    name: Words | None = None
    operation: OperationName | None = None
    scope: ScopeName | None = None
    role_id: Id | None = None


Filter = Annotated[RuleFilter, Query()]
