"""Rules in the shape of the contract (section 0.6)."""

from typing import Any

from dataquality.core.aggregates import ascending
from dataquality.core.links import Links


def render(links: Links, row: Any) -> dict[str, Any]:
    """A row of `repository`, with links to the users who have the rule without a role."""
    return {
        "id": row.id,
        "name": row.name,
        "scope": row.scope.name,
        "operation": row.operation.name,
        "description": row.description,
        "users": links.many("user", ascending(row.users)),
    }
