"""Codes of two-factor sign-in: time-based one-time passwords (RFC 6238), six digits, thirty seconds."""

import hmac
from datetime import datetime, timedelta

from pyotp import random_base32
from pyotp.totp import TOTP

ISSUER = "dataquality"
STEP = timedelta(seconds=30)


def new_secret() -> str:
    """A random secret of 160 bits in base32 (32 characters), as authenticator apps take it."""
    return random_base32()


def enrolment_uri(secret: str, username: str) -> str:
    """What a QR code for authenticator apps holds: `otpauth://totp/...`."""
    return TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def counter_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is: the present one or the one before; None when it is neither's."""
    totp = TOTP(secret)
    for moment in (now, now - STEP):
        # In constant time, and as bytes: a code may be any text.
        if hmac.compare_digest(totp.at(moment).encode(), code.encode()):
            return totp.timecode(moment)
    return None
