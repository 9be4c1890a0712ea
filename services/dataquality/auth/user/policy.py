"""Who may do what to which user."""

from typing import Annotated, Any

from sqlalchemy import ColumnElement, false, true

from dataquality.core.callers import UserCaller, caller_of, forbidden, permitted
from dataquality.model import Operation, Scope, User

AnyUser = Annotated[UserCaller, caller_of(UserCaller)]
UserViewer = Annotated[UserCaller, permitted("user", Operation.VIEW, UserCaller)]
UserCreator = Annotated[UserCaller, permitted("user", Operation.CREATE, UserCaller)]


def readable_by(caller: UserCaller) -> ColumnElement[bool]:
    """The condition on the users that a caller sees in lists."""
    scopes = caller.scopes("user", Operation.VIEW)
    if Scope.GLOBAL in scopes:
        return true()
    return User.organization_id == caller.organization_id if Scope.ORGANIZATION in scopes else false()


def require_visible(caller: UserCaller, target: Any) -> None:
    """Raise Forbidden unless the caller may see this user; oneself always."""
    if target.id != caller.id:
        _require(caller, Operation.VIEW, target)


def require_editable(caller: UserCaller, target: Any) -> None:
    """Raise Forbidden unless the caller may change this user."""
    _require(caller, Operation.EDIT, target)


def require_deletable(caller: UserCaller, target: Any) -> None:
    """Raise Forbidden unless the caller may delete this user."""
    _require(caller, Operation.DELETE, target)


def _require(caller: UserCaller, operation: Operation, target: Any) -> None:
    scopes = caller.scopes("user", operation)
    colleague = target.organization_id == caller.organization_id
    if not (
        Scope.GLOBAL in scopes
        or (Scope.ORGANIZATION in scopes and colleague)
        or (Scope.OWN in scopes and target.id == caller.id)
    ):
        raise forbidden("user", operation)
