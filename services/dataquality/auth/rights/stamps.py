"""Changing stamps: what was remembered of somebody's rights is void from the commit on."""

from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.stamps import touched_by_roles, voided
from dataquality.model import Authenticatable


async def void_user(connection: AsyncConnection, user_id: int) -> None:
    """The rights of this user changed."""
    await connection.execute(voided(Authenticatable.id == user_id))


async def void_role(connection: AsyncConnection, role_id: int) -> None:
    """The rules in this role change."""
    await connection.execute(voided(touched_by_roles([role_id])))
