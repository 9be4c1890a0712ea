"""The rooms in which events are emitted (contract, events.md section 2)."""


def room_of(collaboration_id: int) -> str:
    """The room that the nodes of a collaboration are in."""
    return f"collaboration_{collaboration_id}"


def own_room(node_id: int) -> str:
    """The room of one node."""
    return f"node_{node_id}"
