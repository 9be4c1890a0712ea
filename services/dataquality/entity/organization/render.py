"""Row to the contract's shape."""

import base64
from typing import Any

from dataquality.core.aggregates import ascending, newest_first
from dataquality.core.links import Links
from dataquality.entity.lists import Render


def encoded(public_key: bytes | None) -> str:
    """A public key as the wire has it; empty when there is none."""
    return base64.b64encode(public_key or b"").decode()


def organization_in(links: Links) -> Render:
    """How an organization looks below this API path."""

    def render(row: Any) -> dict[str, Any]:
        return {
            "id": row.id,
            "name": row.name,
            "domain": row.domain,
            "address1": row.address1,
            "address2": row.address2,
            "zipcode": row.zipcode,
            "country": row.country,
            "public_key": encoded(row.public_key),
            "collaborations": links.many("collaboration", ascending(row.collaborations)),
            "nodes": links.many("node", ascending(row.nodes)),
            "users": links.many("user", ascending(row.users)),
            "results": links.many("result", newest_first(row.results)),
            "roles": ascending(row.roles),
        }

    return render
