"""What only this service has, and how handlers reach it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from dataquality.auth.limits import FailureLimits
from dataquality.core.context import Context, context_of
from dataquality.core.links import Links
from dataquality.core.passwords import PasswordPool, dummy_hash
from dataquality.core.tokens import TokenKey


@dataclass(frozen=True)
class AuthParts:
    """The pool that hashes passwords, limits on failures, keys, and the pepper under which API keys are looked up."""

    passwords: PasswordPool
    limits: FailureLimits
    api_key_pepper: str
    no_password: str
    """A hash that no password fits, made at the start: making it later would slow down one answer, and so tell."""
    reset_key: TokenKey
    """Signs the tokens that recovery sends by mail."""


def make_parts(context: Context) -> AuthParts:
    """Read the secret and make the pool. Raises MissingSecret."""
    settings = context.settings
    return AuthParts(
        PasswordPool(),
        FailureLimits(context.redis, settings),
        settings.secret("api_key_pepper"),
        dummy_hash(),
        TokenKey(settings.secret("reset_key")),
    )


async def _context(request: Request) -> Context:
    return context_of(request)


async def _parts(request: Request) -> AuthParts:
    return context_of(request).part(AuthParts)


async def _links(request: Request) -> Links:
    return Links(context_of(request).settings.api_path)


OurContext = Annotated[Context, Depends(_context)]
OurParts = Annotated[AuthParts, Depends(_parts)]
LinkMaker = Annotated[Links, Depends(_links)]
