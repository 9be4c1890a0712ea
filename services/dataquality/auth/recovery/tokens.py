"""Reset tokens: for one purpose, once, and only while what they were made for stands as it stood.

A token names its user and a fingerprint of the user's password hash, e-mail and second factor. So it is void once any
of them changed: after a new password, an old mailbox is of no use.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from dataquality.core.errors import InvalidToken, Refused, Unauthorized
from dataquality.core.tokens import TokenKey


class Purpose(StrEnum):
    """What a reset token is good for."""

    PASSWORD = "recover-password"  # noqa: S105 - the name of a purpose
    TWO_FACTOR = "recover-two-factor"


@dataclass(frozen=True)
class ResetClaims:
    """What a good token says."""

    user_id: int
    fingerprint: str
    jti: str
    expires_at: datetime


def issue(key: TokenKey, purpose: Purpose, user: Any | None, lifetime: timedelta) -> str:
    """A token for the user, of whom a row was read; for None one that nobody can use."""
    subject = f"{user.id}:{fingerprint(key, user)}" if user else f"0:{_digest(key, '')}"
    return key.issue_for(purpose, subject, lifetime).text


def read(key: TokenKey, purpose: Purpose, token: str) -> ResetClaims:
    """What the token says. Raises Unauthorized for one that has expired, Refused for what is none."""
    try:
        claims = key.read_for(purpose, token.strip())
    except Unauthorized as error:
        raise Unauthorized("This reset token has expired. Ask for a new one.") from error
    except InvalidToken as error:
        text = "This is not a reset token for this purpose. Copy it from the mail as a whole, or ask for a new one."
        raise Refused(text, {"reset_token": "is not valid"}) from error
    user_id, _, said = str(claims["sub"]).partition(":")
    return ResetClaims(int(user_id), said, str(claims["jti"]), datetime.fromtimestamp(claims["exp"], UTC))


def void() -> Refused:
    """The refusal of a token that was good once."""
    text = "This reset token is void: it was used, or the account has changed since. Ask for a new one."
    return Refused(text, {"reset_token": "is void"})


def fingerprint(key: TokenKey, user: Any) -> str:
    """Changes with the user's password, e-mail and second factor, and tells nothing of them."""
    return _digest(key, repr((user.password, user.email, user.otp_secret)))


def _digest(key: TokenKey, text: str) -> str:
    return hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
