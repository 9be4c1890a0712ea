"""API keys of nodes, as this server stores them."""

from dataclasses import dataclass, field

from dataquality.core.keys import api_key_id, derived_api_key, new_api_key


@dataclass(frozen=True)
class NewKey:
    """A key that nobody has yet: the text is shown once, the id is stored."""

    text: str = field(repr=False)
    id: str


@dataclass(frozen=True)
class ApiKeys:
    """Makes keys under the server's pepper."""

    pepper: str = field(repr=False)

    def new(self) -> NewKey:
        """A random key, which needs no slow hash."""
        return self.of(new_api_key())

    def derive(self, seed: bytes) -> str:
        """The key that belongs to a random seed: as random as one of `new`, and the same whenever it is asked for."""
        return derived_api_key(seed, self.pepper)

    def of(self, text: str) -> NewKey:
        """This text as a key."""
        return NewKey(text, api_key_id(text, self.pepper))
