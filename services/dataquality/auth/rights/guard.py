"""You cannot give what you lack, nor meddle with those who hold more than you."""

from dataquality.core.callers import UserCaller, forbidden, missing_grants
from dataquality.core.errors import Forbidden
from dataquality.core.permissions import Grant
from dataquality.model import Operation, Scope


def require_held(caller: UserCaller, grants: set[Grant]) -> None:
    """Raise Forbidden, naming a missing rule, unless the caller holds all that is to be given or taken."""
    if missing := caller.permissions.lacking(_in_order(grants)):
        raise missing_grants(missing)


def require_no_less(caller: UserCaller, grants: set[Grant]) -> None:
    """Raise Forbidden unless the caller holds all that another user holds."""
    if missing := caller.permissions.lacking(_in_order(grants)):
        raise Forbidden(
            f"This user holds a rule that you lack: {missing[0].sentence}. Ask somebody who holds all their rules."
        )


def require_all_rules(caller: UserCaller, grants: set[Grant]) -> None:
    """Raise Forbidden unless the caller holds all that is in a role: whoever changes it changes its holders."""
    if missing := caller.permissions.lacking(_in_order(grants)):
        raise Forbidden(
            f"This role holds a rule that you lack: {missing[0].sentence}. Ask somebody who holds all its rules."
        )


def require_scope(caller: UserCaller, resource: str, operation: Operation, organization_id: int | None) -> None:
    """Raise Forbidden unless the caller may do this to what belongs to that organization (None: to none)."""
    scopes = caller.scopes(resource, operation)
    own = organization_id == caller.organization_id
    if not (Scope.GLOBAL in scopes or (Scope.ORGANIZATION in scopes and own)):
        raise forbidden(resource, operation)


def _in_order(grants: set[Grant]) -> list[Grant]:
    return sorted(grants, key=str)
