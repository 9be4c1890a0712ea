"""API keys of nodes, as this server stores them."""

from dataclasses import dataclass, field

from dataquality.core.keys import api_key_id, new_api_key


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
        text = new_api_key()
        return NewKey(text, api_key_id(text, self.pepper))
