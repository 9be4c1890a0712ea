"""What a user or a node gets."""

from dataclasses import dataclass, field
from datetime import timedelta

from dataquality.core.context import Context
from dataquality.core.settings import Settings
from dataquality.core.tokens import TokenKey

CONTAINER_LIFETIME = timedelta(days=90)
"""How long a container token lasts at most: longer than any algorithm, because no client can renew one.

Existing nodes ask for it once, before the algorithm starts, and algorithms cannot refresh it. Its usual end is the end
of the run.
"""


@dataclass(frozen=True)
class Tokens:
    """An access token and the refresh token beside it."""

    kind: str
    identity: int
    access: str = field(repr=False)
    refresh: str = field(repr=False)

    def to_json(self, api_path: str) -> dict[str, str]:
        """The token object of the contract: paths without a host, which clients put before them."""
        return {
            "access_token": self.access,
            "refresh_token": self.refresh,
            "refresh_url": f"{api_path}/token/refresh",
            f"{self.kind}_url": f"{api_path}/{self.kind}/{self.identity}",
        }


def token_key(context: Context) -> TokenKey:
    """The key of the contract's tokens, which this service always has."""
    assert context.tokens is not None
    return context.tokens


def access_lifetime(settings: Settings) -> timedelta:
    """How long an access token lasts."""
    return timedelta(hours=settings.access_token_hours)
