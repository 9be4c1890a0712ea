"""Who may kill."""

from typing import Annotated, Any

from dataquality.core.callers import Caller, UserCaller, caller_of, forbidden
from dataquality.model import Operation, Scope

Killer = Annotated[Caller, caller_of(UserCaller)]


def require_task_kill(caller: Caller, task: Any) -> None:
    """Raise Forbidden unless the caller may send events to the collaboration of the task."""
    scopes = caller.scopes("event", Operation.CREATE)
    within = task.is_member and scopes & {Scope.COLLABORATION, Scope.ORGANIZATION}
    if Scope.GLOBAL not in scopes and not within:
        raise forbidden("event", Operation.CREATE)


def require_node_kill(caller: Caller, node: Any) -> None:
    """Raise Forbidden unless the caller may send events to the node."""
    scopes = caller.scopes("event", Operation.CREATE)
    in_collaboration = node.is_member and Scope.COLLABORATION in scopes
    own = node.organization_id == caller.organization_id and Scope.ORGANIZATION in scopes
    if Scope.GLOBAL not in scopes and not in_collaboration and not own:
        raise forbidden("event", Operation.CREATE)
