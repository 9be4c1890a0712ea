"""Roles in the shape of the contract (section 0.6)."""

from typing import Any

from dataquality.core.aggregates import ascending
from dataquality.core.links import Links


def render(links: Links, row: Any) -> dict[str, Any]:
    """A row of `repository`, with links to what it has."""
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "organization": links.one("organization", row.organization_id),
        "rules": links.many("rule", ascending(row.rules)),
        "users": links.many("user", ascending(row.users)),
    }
