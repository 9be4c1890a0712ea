"""Users in the shape of the contract (section 0.6)."""

from typing import Any

from dataquality.core.aggregates import ascending
from dataquality.core.links import Links
from dataquality.core.times import wire_time


def render(links: Links, row: Any) -> dict[str, Any]:
    """A row of `repository`, with links to what it has."""
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
        "roles": links.many("role", ascending(row.roles)),
        "rules": links.many("rule", ascending(row.rules)),
        "created_tasks": ascending(row.created_tasks),
    }
