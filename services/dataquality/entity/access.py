"""What holds for all three nouns: edits need GLOBAL, or ORGANIZATION where the thing is one's own."""

from typing import Any, TypeVar

from dataquality.core.callers import Caller, forbidden
from dataquality.core.errors import NotFound
from dataquality.model import Operation, Scope

Row = TypeVar("Row")


def require(caller: Caller, resource: str, operation: Operation, organization_id: int | None) -> None:
    """Raise Forbidden unless the caller may do that to what belongs to this organization (None: to nobody)."""
    scopes = caller.scopes(resource, operation)
    own = organization_id == caller.organization_id
    if Scope.GLOBAL not in scopes and not (own and Scope.ORGANIZATION in scopes):
        raise forbidden(resource, operation)


def missing(kind: str, identity: int) -> NotFound:
    """The answer where there is no such thing."""
    return NotFound(f"There is no {kind} {identity}.")


def found(kind: str, identity: int, row: Row | None) -> Row:
    """The row. Raises NotFound when there is none."""
    if row is None:
        raise missing(kind, identity)
    return row


def readable(kind: str, identity: int, row: Any | None) -> Any:
    """The row, whose column `readable` says whether the caller may see it. NotFound comes before Forbidden."""
    if not found(kind, identity, row).readable:
        raise forbidden(kind, Operation.VIEW)
    return row
