"""Organizations, a collaboration and nodes, made through the API."""

from dataclasses import dataclass
from typing import Any

from support.services import Api, unique


@dataclass(frozen=True)
class World:
    """Two organizations in one collaboration, a node of the first there, and a third organization outside."""

    own: int
    partner: int
    stranger: int
    collaboration: int
    foreign_collaboration: int
    node: int
    foreign_node: int
    api_key: str


def make_world(root: Api) -> World:
    """A world of the test's own."""
    own, partner, stranger = (root.made("/organization", {"name": unique("org")})["id"] for _ in range(3))
    ours, theirs = make_collaboration(root, own, partner), make_collaboration(root, stranger)
    node = root.made("/node", {"organization_id": own, "collaboration_id": ours["id"]})
    foreign = root.made("/node", {"organization_id": stranger, "collaboration_id": theirs["id"]})
    return World(own, partner, stranger, ours["id"], theirs["id"], node["id"], foreign["id"], node["api_key"])


def make_collaboration(root: Api, *organizations: int, **more: Any) -> dict[str, Any]:
    """A new collaboration of these organizations."""
    body = {"name": unique("collaboration"), "organization_ids": list(organizations), **more}
    return root.made("/collaboration", body)


def ids(listed: list[dict[str, Any]]) -> set[int]:
    """The ids of a list."""
    return {item["id"] for item in listed}


def link(noun: str, identity: int) -> dict[str, Any]:
    """A link object as section 0.5 of the contract has it."""
    methods = {
        "node": ["GET", "PATCH", "DELETE"],
        "organization": ["GET", "PATCH"],
        "collaboration": ["GET", "PATCH", "DELETE"],
        "user": ["GET", "PATCH", "DELETE"],
        "task": ["GET", "DELETE"],
        "result": ["GET", "PATCH"],
    }
    return {"id": identity, "link": f"/api/{noun}/{identity}", "methods": methods[noun]}
