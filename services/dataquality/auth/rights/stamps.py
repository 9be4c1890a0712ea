"""Changing stamps: what was remembered of somebody's rights is void from the commit on."""

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.model import Authenticatable, Role, new_stamp, permission
from dataquality.model.rules import CONTAINER_ROLE, NODE_ROLE


async def void_user(connection: AsyncConnection, user_id: int) -> None:
    """The rights of this user changed."""
    await _void(connection, Authenticatable.id == user_id)


async def void_role(connection: AsyncConnection, role_id: int) -> None:
    """The rules in this role change: all who hold it are touched; all nodes, if it is theirs or their containers'."""
    holders = select(permission.c.user_id).where(permission.c.role_id == role_id)
    is_theirs = exists().where(
        Role.id == role_id, Role.organization_id.is_(None), Role.name.in_((NODE_ROLE, CONTAINER_ROLE))
    )
    await _void(connection, or_(Authenticatable.id.in_(holders), and_(Authenticatable.type == "node", is_theirs)))


async def _void(connection: AsyncConnection, condition: ColumnElement[bool]) -> None:
    await connection.execute(update(Authenticatable).where(condition).values(stamp=new_stamp()))
