"""Link objects (HATEOAS) as the contract has them, section 0.5."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

METHODS: Final[dict[str, list[str]]] = {
    "node": ["GET", "PATCH", "DELETE"],
    "organization": ["GET", "PATCH"],
    "collaboration": ["GET", "PATCH", "DELETE"],
    "user": ["GET", "PATCH", "DELETE"],
    "role": ["GET", "PATCH", "DELETE"],
    "rule": ["GET"],
    "task": ["GET", "DELETE"],
    "result": ["GET", "PATCH"],
    "port": ["GET"],
}
NEWEST = 100
"""How many links a list that grows without bound carries (contract, section 0.6)."""


@dataclass(frozen=True)
class Links:
    """Makes link objects below one API path."""

    api_path: str

    def one(self, kind: str, identity: int | None) -> dict[str, Any] | None:
        """A link, or None when there is nothing to link to."""
        if identity is None:
            return None
        return {"id": identity, "link": f"{self.api_path}/{kind}/{identity}", "methods": METHODS[kind]}

    def many(self, kind: str, identities: Iterable[int]) -> list[dict[str, Any] | None] | None:
        """A list of links; None, not an empty list, when there are none: the contract has it so."""
        return [self.one(kind, identity) for identity in identities] or None
