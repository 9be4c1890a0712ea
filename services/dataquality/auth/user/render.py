"""Users in the shape of the contract (section 0.6)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.auth.relations import linked
from dataquality.core.links import NEWEST, Links
from dataquality.core.times import wire_time
from dataquality.model import Task, permission, userpermission


async def render(connection: AsyncConnection, links: Links, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of `repository.find` or `listing`, with what they link to: one query a relation."""
    ids = [row.id for row in rows]
    roles = await linked(connection, permission.c.user_id, permission.c.role_id, ids)
    rules = await linked(connection, userpermission.c.user_id, userpermission.c.rule_id, ids)
    tasks = await linked(connection, Task.init_user_id, Task.id, ids, newest=NEWEST)
    return [_one(links, row, roles[row.id], rules[row.id], tasks[row.id]) for row in rows]


def _one(links: Links, row: Any, roles: list[int], rules: list[int], tasks: list[int]) -> dict[str, Any]:
    return {
        "id": row.id,
        "type": "user",
        "username": row.username,
        "firstname": row.firstname,
        "lastname": row.lastname,
        "email": row.email,
        "ip": row.ip,
        "status": row.status,
        "last_seen": wire_time(row.last_seen),
        "organization": links.one("organization", row.organization_id),
        "roles": links.many("role", roles),
        "rules": links.many("rule", rules),
        "created_tasks": tasks,
    }
