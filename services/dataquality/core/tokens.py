"""JSON Web Tokens: users', nodes' and containers' (contract), and those between services and in e-mails.

HS256. `sub` is an integer (an object for containers), as existing clients need it; PyJWT refuses that when it verifies,
so that check is switched off and ours, by kind of client, stands in its place.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from dataquality.core import jwt
from dataquality.core.errors import InvalidToken, Unauthorized
from dataquality.model import utc_now

TokenType = Literal["access", "refresh"]


class _Claims(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    type: TokenType
    jti: str


class IdentityClaims(_Claims):
    """The token of a user or a node."""

    sub: int
    client_type: Literal["user", "node"]
    sid: str | None = None
    """The family of the refresh session that the token belongs to; a node's is the id of its API key."""
    sign_in: int | None = None
    """Of a node: which of its sign-ins the token comes from, however often it was refreshed since.

    The id of the refresh session: a later sign-in has a larger one.
    """


class ContainerSubject(BaseModel):
    """On whose behalf an algorithm container speaks."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    client_type: Literal["container"] = "container"
    node_id: int
    organization_id: int
    collaboration_id: int
    task_id: int
    image: str
    database: str | None = None


class ContainerClaims(_Claims):
    """The token of an algorithm container."""

    sub: ContainerSubject
    client_type: Literal["container"]
    sid: str | None = None
    """The id of the API key that its node had; a token of a version before this one does not say."""


Claims = IdentityClaims | ContainerClaims
_claims: TypeAdapter[Claims] = TypeAdapter(Claims)


@dataclass(frozen=True)
class IssuedToken:
    """A token and what must be remembered of it. `expires_at` is None for one that does not expire."""

    text: str
    jti: str
    issued_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True)
class TokenKey:
    """Makes and reads the tokens that one secret signs."""

    secret: str

    def issue(
        self,
        subject: int | ContainerSubject,
        client_type: str,
        token_type: TokenType,
        lifetime: timedelta | None,
        roles: list[str] | None = None,
        session: str | None = None,
        sign_in: int | None = None,
    ) -> IssuedToken:
        """A token for a user, a node (`subject` is its id) or a container; `session` becomes the claim `sid`."""
        sub = subject if isinstance(subject, int) else subject.model_dump()
        extra: dict[str, Any] = {
            "sub": sub,
            "client_type": client_type,
            "roles": roles or [],
            "type": token_type,
            "fresh": False,
        }
        if session is not None:
            extra["sid"] = session
        if sign_in is not None:
            extra["sign_in"] = sign_in
        return self._sign(extra, lifetime)

    def read(self, token: str) -> Claims:
        """What a token of the contract says. Raises Unauthorized when it expired, InvalidToken for all else."""
        try:
            return _claims.validate_python(self._verify(token))
        except ValidationError as error:
            raise InvalidToken("This token is not of a kind that this address takes.") from error

    def read_expired(self, token: str) -> Claims | None:
        """What a token says that is valid or once was; None for all else. It proves no right to anything."""
        try:
            return _claims.validate_python(jwt.decode(token, self.secret, may_be_expired=True))
        except (jwt.JwtError, ValidationError):
            return None

    def issue_for(self, purpose: str, subject: str, lifetime: timedelta) -> IssuedToken:
        """A token for one purpose of ours (a service's call, a password reset)."""
        return self._sign({"sub": subject, "purpose": purpose}, lifetime)

    def read_for(self, purpose: str, token: str) -> dict[str, Any]:
        """The claims of a token that was issued for this purpose."""
        claims = self._verify(token)
        if claims.get("purpose") != purpose:
            raise InvalidToken("This token was made for another purpose.")
        return claims

    def _sign(self, claims: dict[str, Any], lifetime: timedelta | None) -> IssuedToken:
        now = utc_now()
        jti = secrets.token_urlsafe(16)
        expires_at = None if lifetime is None else now + lifetime
        times: dict[str, Any] = {"iat": now, "nbf": now, "jti": jti}
        if expires_at is not None:
            times["exp"] = expires_at
        return IssuedToken(jwt.encode({**claims, **times}, self.secret), jti, now, expires_at)

    def _verify(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(token, self.secret)
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("This token has expired. Sign in again, or refresh it.") from error
        except jwt.JwtError as error:
            raise InvalidToken(f"This token is not valid: {error}.") from error
