"""Who may ask, see and delete tasks."""

from typing import Annotated

from dataquality.core.callers import Caller, ContainerCaller, NodeCaller, UserCaller, caller_of, forbidden, permitted
from dataquality.model import Operation, Scope

TaskLister = Annotated[Caller, permitted("task", Operation.VIEW, UserCaller, NodeCaller, ContainerCaller)]
TaskViewer = Annotated[Caller, caller_of(UserCaller, NodeCaller, ContainerCaller)]
"""Of one task: an unknown id comes before the rules."""
CollaborationTaskViewer = Annotated[Caller, caller_of(UserCaller, NodeCaller)]
TaskCreator = Annotated[UserCaller | ContainerCaller, caller_of(UserCaller, ContainerCaller)]
TaskDeleter = Annotated[Caller, caller_of(UserCaller)]


def require_scope(caller: Caller, operation: Operation, *, is_member: bool) -> None:
    """Raise Forbidden unless the caller may do this to tasks of a collaboration that it is (not) a member of."""
    scopes = caller.scopes("task", operation)
    if Scope.GLOBAL not in scopes and not (is_member and Scope.ORGANIZATION in scopes):
        raise forbidden("task", operation)
