"""Who may call, and which nodes they see."""

from typing import Annotated

from sqlalchemy import ColumnElement, false, true

from dataquality.core.callers import Caller, ContainerCaller, NodeCaller, UserCaller, caller_of, permitted
from dataquality.model import Node, Operation, Scope

NodeViewer = Annotated[Caller, permitted("node", Operation.VIEW, UserCaller, NodeCaller)]
Reader = Annotated[Caller, caller_of(UserCaller, NodeCaller, ContainerCaller)]
UserOrNode = Annotated[Caller, caller_of(UserCaller, NodeCaller)]
Person = Annotated[UserCaller, caller_of(UserCaller)]


def readable_by(caller: Caller) -> ColumnElement[bool]:
    """The nodes that this caller may see; an algorithm sees the one that it runs on."""
    scopes = caller.scopes("node", Operation.VIEW)
    if Scope.GLOBAL in scopes:
        return true()
    if Scope.ORGANIZATION not in scopes:
        return false()
    if isinstance(caller, ContainerCaller):
        return Node.id == caller.id
    return Node.organization_id == caller.organization_id
