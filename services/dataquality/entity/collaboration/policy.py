"""Who may call, and which collaborations they see."""

from typing import Annotated

from sqlalchemy import ColumnElement, false, select, true

from dataquality.core.callers import Caller, ContainerCaller, NodeCaller, UserCaller, caller_of, forbidden, permitted
from dataquality.model import Collaboration, Operation, Scope, member

CollaborationViewer = Annotated[UserCaller, permitted("collaboration", Operation.VIEW, UserCaller)]
Reader = Annotated[Caller, caller_of(UserCaller, NodeCaller, ContainerCaller)]
Person = Annotated[UserCaller, caller_of(UserCaller)]


def readable_by(caller: Caller) -> ColumnElement[bool]:
    """The collaborations that this caller may see; an algorithm only the one that it works in."""
    scopes = caller.scopes("collaboration", Operation.VIEW)
    if isinstance(caller, ContainerCaller):
        return Collaboration.id == caller.subject.collaboration_id if scopes else false()
    if Scope.GLOBAL in scopes:
        return true()
    if Scope.ORGANIZATION not in scopes:
        return false()
    own = select(member.c.collaboration_id).where(member.c.organization_id == caller.organization_id)
    return Collaboration.id.in_(own)


def require_filter(caller: Caller, organization_id: int | None) -> None:
    """Raise Forbidden for the question after another organization's collaborations without GLOBAL."""
    others = organization_id is not None and organization_id != caller.organization_id
    if others and not caller.holds("collaboration", Scope.GLOBAL, Operation.VIEW):
        raise forbidden("collaboration", Operation.VIEW)


def require_global(caller: Caller, operation: Operation) -> None:
    """Raise Forbidden unless the caller may do that to all collaborations."""
    if not caller.holds("collaboration", Scope.GLOBAL, operation):
        raise forbidden("collaboration", operation)
