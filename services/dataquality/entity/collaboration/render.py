"""Row to the contract's shape."""

from typing import Any

from dataquality.core.links import Links
from dataquality.entity.lists import Render
from dataquality.entity.relations import ascending, newest_first


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
