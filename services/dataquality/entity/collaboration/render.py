"""Row to the contract's shape."""

from typing import Any

from dataquality.core.aggregates import ascending, newest_first
from dataquality.core.links import Links
from dataquality.entity.lists import Render


def collaboration_in(links: Links) -> Render:
    """How a collaboration looks below this API path."""

    def render(row: Any) -> dict[str, Any]:
        return {
            "id": row.id,
            "name": row.name,
            "encrypted": row.encrypted,
            "organizations": links.many("organization", ascending(row.organizations)),
            "nodes": links.many("node", ascending(row.nodes)),
            "tasks": links.many("task", newest_first(row.tasks)),
        }

    return render
