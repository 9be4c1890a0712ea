"""Who may call, and which organizations they see."""

from typing import Annotated

from sqlalchemy import ColumnElement, Select, false, or_, select, true

from dataquality.core.callers import Caller, ContainerCaller, NodeCaller, UserCaller, caller_of, permitted
from dataquality.core.errors import Forbidden
from dataquality.entity.access import require
from dataquality.model import Operation, Organization, Scope, member

OrganizationViewer = Annotated[
    Caller, permitted("organization", Operation.VIEW, UserCaller, NodeCaller, ContainerCaller)
]
OrganizationCreator = Annotated[UserCaller, permitted("organization", Operation.CREATE, UserCaller)]
Reader = Annotated[Caller, caller_of(UserCaller, NodeCaller, ContainerCaller)]
UserOrNode = Annotated[Caller, caller_of(UserCaller, NodeCaller)]


def readable_by(caller: Caller) -> ColumnElement[bool]:
    """The organizations that this caller may see; an algorithm only those that its collaboration has."""
    scopes = caller.scopes("organization", Operation.VIEW)
    own = Organization.id == caller.organization_id
    if isinstance(caller, ContainerCaller) and scopes & {Scope.GLOBAL, Scope.COLLABORATION}:
        return Organization.id.in_(_members(caller.subject.collaboration_id))
    if Scope.GLOBAL in scopes:
        return true()
    if Scope.COLLABORATION in scopes:
        return or_(own, Organization.id.in_(_partners(caller.organization_id)))
    return own if Scope.ORGANIZATION in scopes else false()


def within_filter(caller: Caller, collaboration_id: int | None) -> list[ColumnElement[bool]]:
    """Nothing where an algorithm asks who is in a collaboration that is not its own."""
    is_elsewhere = isinstance(caller, ContainerCaller) and collaboration_id not in (
        None,
        caller.subject.collaboration_id,
    )
    return [false()] if is_elsewhere else []


def require_edit(caller: Caller, organization_id: int, fields: set[str]) -> None:
    """Raise Forbidden unless the caller may change these fields of the organization; a node only its public key."""
    require(caller, "organization", Operation.EDIT, organization_id)
    if isinstance(caller, NodeCaller) and fields - {"public_key"}:
        raise Forbidden("A node may change nothing but the public key of its organization.")


def _members(collaboration_id: int) -> Select[tuple[int]]:
    return select(member.c.organization_id).where(member.c.collaboration_id == collaboration_id)


def _partners(organization_id: int) -> Select[tuple[int]]:
    own = select(member.c.collaboration_id).where(member.c.organization_id == organization_id)
    return select(member.c.organization_id).where(member.c.collaboration_id.in_(own))
