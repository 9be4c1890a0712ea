"""Changing stamps: what was remembered of somebody's rights is void from the commit on."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Update, and_, exists, or_, select, update

from dataquality.model import Authenticatable, Role, new_stamp, permission
from dataquality.model.rules import CONTAINER_ROLE, NODE_ROLE


def voided(touched: ColumnElement[bool]) -> Update:
    """The statement that gives these identities another stamp."""
    return update(Authenticatable).where(touched).values(stamp=new_stamp())


def touched_by_roles(role_ids: Iterable[int]) -> ColumnElement[bool]:
    """Whose rights these roles make: all who hold one; all nodes, if it is theirs or their containers'."""
    ids = set(role_ids)
    holders = select(permission.c.user_id).where(permission.c.role_id.in_(ids))
    is_theirs = exists().where(
        Role.id.in_(ids), Role.organization_id.is_(None), Role.name.in_((NODE_ROLE, CONTAINER_ROLE))
    )
    return or_(Authenticatable.id.in_(holders), and_(Authenticatable.type == "node", is_theirs))
