"""Rules in the shape of the contract (section 0.6)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.auth.relations import linked
from dataquality.core.links import NEWEST, Links
from dataquality.model import userpermission


async def render(connection: AsyncConnection, links: Links, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of `repository`, with the users who have the rule without a role."""
    ids = [row.id for row in rows]
    users = await linked(connection, userpermission.c.rule_id, userpermission.c.user_id, ids, newest=NEWEST)
    return [
        {
            "id": row.id,
            "name": row.name,
            "scope": row.scope.name,
            "operation": row.operation.name,
            "description": row.description,
            "users": links.many("user", users[row.id]),
        }
        for row in rows
    ]
