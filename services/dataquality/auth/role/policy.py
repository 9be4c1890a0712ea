"""Who may do what to which role."""

from typing import Annotated, Any

from sqlalchemy import ColumnElement, or_, select, true

from dataquality.auth.rights.guard import require_scope
from dataquality.core.callers import UserCaller, caller_of, permitted
from dataquality.core.errors import Refused
from dataquality.model import Operation, Role, Scope, permission
from dataquality.model.rules import BUILT_IN_ROLES

AnyUser = Annotated[UserCaller, caller_of(UserCaller)]
RoleCreator = Annotated[UserCaller, permitted("role", Operation.CREATE, UserCaller)]


def held_by(user_id: int) -> ColumnElement[bool]:
    """The condition on the roles of a user."""
    return Role.id.in_(select(permission.c.role_id).where(permission.c.user_id == user_id))


def readable_by(caller: UserCaller) -> ColumnElement[bool]:
    """The condition on the roles that a caller sees in lists: their own always."""
    scopes = caller.scopes("role", Operation.VIEW)
    if Scope.GLOBAL in scopes:
        return true()
    own = held_by(caller.id)
    if Scope.ORGANIZATION in scopes:
        return or_(own, Role.organization_id == caller.organization_id, Role.organization_id.is_(None))
    return own


def require(caller: UserCaller, operation: Operation, role: Any) -> None:
    """Raise Forbidden unless the caller may do this to the role; those of no organization need the global scope."""
    require_scope(caller, "role", operation, role.organization_id)


def require_changeable(caller: UserCaller, operation: Operation, role: Any) -> None:
    """As `require`, and raise Refused for a built-in role, which nobody changes."""
    require(caller, operation, role)
    if role.organization_id is None and role.name in BUILT_IN_ROLES:
        raise Refused(f"The role {role.name} is built in and cannot be changed or deleted. Make a role of your own.")


def require_free_name(name: str) -> None:
    """Raise Refused for the name of a built-in role."""
    if name in BUILT_IN_ROLES:
        raise Refused(f"The name {name} belongs to a built-in role; choose another.", {"name": "is reserved"})
