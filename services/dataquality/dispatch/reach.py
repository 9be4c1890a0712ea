"""Which tasks, and with them results and ports, a caller may see."""

from typing import Any

from sqlalchemy import ColumnElement, Select, false, select, true

from dataquality.core.callers import Caller, ContainerCaller, forbidden
from dataquality.core.tokens import ContainerSubject
from dataquality.model import Operation, Scope, Task, member


def collaborations_of(organization_id: int) -> Select[Any]:
    """The ids of the collaborations that the organization belongs to."""
    return select(member.c.collaboration_id).where(member.c.organization_id == organization_id)


def require_rule(caller: Caller, resource: str) -> None:
    """Raise Forbidden where an answer is to include things of a kind that the caller may see none of."""
    if not caller.scopes(resource, Operation.VIEW):
        raise forbidden(resource, Operation.VIEW)


def within_reach(caller: Caller, resource: str) -> ColumnElement[bool]:
    """A condition on `Task`: the caller may see what belongs to it, by the rules on this kind of resource."""
    scopes = caller.scopes(resource, Operation.VIEW)
    if not scopes:
        return false()
    if isinstance(caller, ContainerCaller):
        return _of_run(caller.subject)
    if Scope.GLOBAL in scopes:
        return true()
    if Scope.ORGANIZATION in scopes:
        return Task.collaboration_id.in_(collaborations_of(caller.organization_id))
    return false()


def _of_run(subject: ContainerSubject) -> ColumnElement[bool]:
    # A container has no business with other questions of its collaboration.
    run = select(Task.run_id).where(Task.id == subject.task_id).correlate(None).scalar_subquery()
    return (Task.collaboration_id == subject.collaboration_id) & (Task.run_id == run)
