"""Row to the contract's shapes."""

from typing import Any

from dataquality.core.links import Links
from dataquality.core.times import wire_time
from dataquality.entity.lists import Render
from dataquality.entity.relations import config_pairs


def node_in(links: Links) -> Render:
    """How a node looks below this API path."""
    simple = simple_node_in(links)

    def render(row: Any) -> dict[str, Any]:
        return simple(row) | {"type": "node", "collaboration": links.one("collaboration", row.collaboration_id)}

    return render


def simple_node_in(links: Links) -> Render:
    """How a node looks inside its collaboration."""

    def render(row: Any) -> dict[str, Any]:
        return {
            "id": row.id,
            "name": row.name,
            "ip": row.ip,
            "status": row.status,
            "last_seen": wire_time(row.last_seen),
            "organization": links.one("organization", row.organization_id),
            "config": config_pairs(row.config),
        }

    return render
