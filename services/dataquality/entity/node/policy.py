"""Who may call, and which nodes they see."""

from typing import Annotated, Any

from sqlalchemy import ColumnElement, false, true

from dataquality.core.callers import Caller, ContainerCaller, NodeCaller, UserCaller, caller_of, permitted
from dataquality.core.errors import Forbidden
from dataquality.entity.access import require
from dataquality.model import Node, Operation, Scope

NodeViewer = Annotated[Caller, permitted("node", Operation.VIEW, UserCaller, NodeCaller)]
Reader = Annotated[Caller, caller_of(UserCaller, NodeCaller, ContainerCaller)]
UserOrNode = Annotated[Caller, caller_of(UserCaller, NodeCaller)]
Person = Annotated[UserCaller, caller_of(UserCaller)]


_OF_ITSELF = frozenset({"ip", "clear_ip"})
"""What the nodes of 3.4 and 3.11 change: with more, one could enter another collaboration and answer there."""


def require_edit(caller: Caller, node: Any, fields: set[str]) -> None:
    """Raise Forbidden unless the caller may change these fields; a node may change only its own address."""
    require(caller, "node", Operation.EDIT, node.organization_id)
    if isinstance(caller, NodeCaller) and (node.id != caller.id or fields - _OF_ITSELF):
        raise Forbidden("A node may change only itself, and only its `ip` (or `clear_ip`). Ask an administrator.")


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
