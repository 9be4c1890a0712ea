"""Fingerprints of secrets: they tell whether a value is the one that was meant, and are useless to whoever reads them.

Standard library only: the one-shot that makes secrets uses them too.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

_SALT_BYTES = 16
_FAST, _SLOW = "hmac-sha256", "scrypt"
_MADE = re.compile(r"[A-Za-z0-9_-]{43}")
"""What we make ourselves has 256 random bits: no number of guesses finds it, so its digest may be fast."""

MAY_BE_CHOSEN = frozenset({"jwt_secret_key"})
"""Secrets that a configuration may give. A person may have chosen them, so each guess must cost (OWASP's scrypt)."""


@dataclass(frozen=True)
class Fingerprint:
    """A digest of one secret under a salt of its own."""

    scheme: str
    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, name: str, value: str) -> "Fingerprint":
        """A new fingerprint of a secret's value."""
        is_random = name not in MAY_BE_CHOSEN and _MADE.fullmatch(value) is not None
        scheme, salt = _FAST if is_random else _SLOW, secrets.token_bytes(_SALT_BYTES)
        return cls(scheme, salt, _digest(scheme, salt, value))

    @classmethod
    def parse(cls, text: str) -> "Fingerprint":
        """The fingerprint that `str` wrote. Raises ValueError for what is none."""
        scheme, salt, digest = text.split("$")
        if scheme not in (_FAST, _SLOW):
            raise ValueError(f"unknown scheme {scheme}")
        return cls(scheme, bytes.fromhex(salt), bytes.fromhex(digest))

    def matches(self, value: str) -> bool:
        """Whether it is this value's."""
        return hmac.compare_digest(self.digest, _digest(self.scheme, self.salt, value))

    def __str__(self) -> str:
        return f"{self.scheme}${self.salt.hex()}${self.digest.hex()}"


def _digest(scheme: str, salt: bytes, value: str) -> bytes:
    if scheme == _FAST:
        return hmac.new(salt, value.encode(), hashlib.sha256).digest()
    # 32 MiB and some 60 ms a guess.
    return hashlib.scrypt(value.encode(), salt=salt, n=2**15, r=8, p=1, maxmem=64 * 2**20, dklen=32)
