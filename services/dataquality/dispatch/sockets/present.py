"""Who holds sockets of this instance, and what they showed so far."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from dataquality.core.callers import NodeCaller
from dataquality.dispatch.sockets.guests import Guest


@dataclass
class Present:
    """What an instance knows of its sockets in memory; the sockets themselves are the library's."""

    guests: dict[str, Guest] = field(default_factory=dict[str, Guest])
    seen: set[int] = field(default_factory=set[int])
    """Identities that showed signs of life since it was last written down."""
    _silent: dict[str, float] = field(default_factory=dict[str, float])
    """Sockets of nodes that showed nothing yet that only newer nodes do, and since when."""

    def node(self, sid: str) -> NodeCaller | None:
        """The node that holds a socket; None for a user, a stranger, and one that has gone."""
        guest = self.guests.get(sid)
        return guest.caller if guest is not None and isinstance(guest.caller, NodeCaller) else None

    def nodes(self, sids: Iterable[str]) -> dict[str, int]:
        """The ids of the nodes among these sockets."""
        return {sid: node.id for sid in sids if (node := self.node(sid)) is not None}

    def go(self, sid: str) -> Guest | None:
        """A socket has ended; whose it was."""
        self._silent.pop(sid, None)
        return self.guests.pop(sid, None)

    def expect_a_sign(self, sid: str) -> None:
        """From now on it counts how long this node shows nothing that only newer ones do."""
        self._silent[sid] = time.monotonic()

    def settle(self, sid: str) -> bool:
        """It is known now whether the node does such things; True if that is news."""
        return self._silent.pop(sid, None) is not None

    def silent_for(self, seconds: float) -> list[int]:
        """Nodes that were expected to show a sign for longer than that, in ascending order, each once."""
        since = time.monotonic() - seconds
        old = [sid for sid, entered in self._silent.items() if entered < since]
        return sorted(set(self.nodes(old).values()))
