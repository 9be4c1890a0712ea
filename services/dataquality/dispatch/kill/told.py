"""What a kill comes to: which nodes are told now, which later, and which cannot do it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dataquality.model import OnlineStatus


@dataclass(frozen=True)
class Told:
    """Ids of nodes. Nodes of the 3.4 line end no containers; a node that was never heard of may or may not."""

    now: list[int]
    away: list[int]
    unable: list[int]

    @classmethod
    def of(cls, rows: Iterable[Any]) -> "Told":
        """From rows with `node_id`, `status` and `can_kill`; those without a node have nobody to tell."""
        nodes = {row.node_id: row for row in rows if row.node_id is not None}
        able = {identity: row for identity, row in nodes.items() if row.can_kill is not False}
        now = sorted(identity for identity, row in able.items() if row.status is OnlineStatus.ONLINE)
        return cls(now, sorted(able.keys() - set(now)), sorted(nodes.keys() - able.keys()))

    def to_json(self, done: str) -> dict[str, Any]:
        """The answer; `done` is a sentence."""
        return {
            "msg": " ".join([done, *self._sentences()]),
            "nodes_told": self.now,
            "nodes_away": self.away,
            "nodes_that_cannot_kill": self.unable,
        }

    def _sentences(self) -> list[str]:
        told = [
            ("Told to end its containers: {}.", self.now),
            ("Away, and told when it is back: {}.", self.away),
            (
                "Too old to end containers; what runs there goes on, and its answer is refused: {}.",
                self.unable,
            ),
        ]
        return [text.format(_named(nodes)) for text, nodes in told if nodes]


def _named(nodes: list[int]) -> str:
    return ", ".join(f"node {identity}" for identity in nodes)
