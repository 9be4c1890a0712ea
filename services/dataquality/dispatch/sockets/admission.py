"""How many connections one client may have open, and how many all strangers together.

Whoever shows a valid access token is counted by who it is, and nobody else's connections keep them out. A token that
has expired proves that somebody is no stranger: nodes reconnect with it, are told so, and get a new one. All others
are strangers; they are counted by their address, where it is known, and together.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataquality.core.addresses import client_address, owner_of
from dataquality.core.callers import authorization_of, read_bearer, read_expired_bearer
from dataquality.core.context import Context
from dataquality.core.errors import TooManyRequests
from dataquality.core.tokens import IdentityClaims
from dataquality.core.websockets import MESSAGE_BYTES, STRANGER_BYTES

SIGN_IN_SECONDS = 20
"""How long a connection may be open without being signed in to `/tasks`."""
STRANGERS = 500
STRANGERS_PER_ADDRESS = 50
EXPIRED_PER_IDENTITY = 20
CONNECTIONS_PER_IDENTITY = 100
_STRANGERS_MSG = "Too many connections wait to sign in. Connect with a valid access token, or try again later."
_IDENTITY_MSG = "You have too many connections open. Close some of them, or try again later."


@dataclass(frozen=True)
class Quota:
    """A connection counts under this key, where there may be so many."""

    key: tuple[str, str]
    limit: int
    msg: str


@dataclass(frozen=True)
class Applicant:
    """Who asks for a connection, as far as the first request shows."""

    quotas: Sequence[Quota]
    allowance: int
    """Bytes that it may send before it has signed in."""


def applicant(context: Context, scope: Any) -> Applicant:
    """Whoever sends this ASGI request."""
    header = authorization_of(scope)
    claims = read_bearer(context, header)
    if isinstance(claims, IdentityClaims) and claims.type == "access":
        # It may send a whole message before the server has let it in.
        known = Quota(("identity", str(claims.sub)), CONNECTIONS_PER_IDENTITY, _IDENTITY_MSG)
        return Applicant([known], MESSAGE_BYTES)
    former = read_expired_bearer(context, header)
    if isinstance(former, IdentityClaims) and former.type == "access":
        return Applicant([Quota(("expired", str(former.sub)), EXPIRED_PER_IDENTITY, _IDENTITY_MSG)], STRANGER_BYTES)
    return Applicant(_stranger(context, scope), STRANGER_BYTES)


def _stranger(context: Context, scope: Any) -> list[Quota]:
    quotas = [Quota(("all", ""), STRANGERS, _STRANGERS_MSG)]
    peer = scope["client"][0] if scope.get("client") else None
    forwarded = [value.decode("latin-1") for key, value in scope["headers"] if key == b"x-forwarded-for"]
    if (address := client_address(peer, forwarded, context.settings.trusted_proxies)) is not None:
        quotas.append(Quota(("address", owner_of(address)), STRANGERS_PER_ADDRESS, _STRANGERS_MSG))
    return quotas


class Admission:
    """Counts the open connections."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str]] = Counter()

    def enter(self, quotas: Sequence[Quota]) -> None:
        """Count one more. Raises TooManyRequests, and counts nothing, where there are as many as there may be."""
        for quota in quotas:
            if self._open[quota.key] >= quota.limit:
                raise TooManyRequests(quota.msg, SIGN_IN_SECONDS)
        self._open.update(quota.key for quota in quotas)

    def leave(self, quotas: Sequence[Quota]) -> None:
        """Count one less."""
        for quota in quotas:
            self._open[quota.key] -= 1
            if not self._open[quota.key]:
                del self._open[quota.key]
