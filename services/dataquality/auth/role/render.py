"""Roles in the shape of the contract (section 0.6)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.auth.relations import linked
from dataquality.core.links import NEWEST, Links
from dataquality.model import permission, role_rule_association


async def render(connection: AsyncConnection, links: Links, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of `repository`, with what they link to: one query a relation."""
    ids = [row.id for row in rows]
    rules = await linked(connection, role_rule_association.c.role_id, role_rule_association.c.rule_id, ids)
    users = await linked(connection, permission.c.role_id, permission.c.user_id, ids, newest=NEWEST)
    return [
        {
            "id": row.id,
            "name": row.name,
            "description": row.description,
            "organization": links.one("organization", row.organization_id),
            "rules": links.many("rule", rules[row.id]),
            "users": links.many("user", users[row.id]),
        }
        for row in rows
    ]
