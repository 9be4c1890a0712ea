"""Which secrets are easy to guess."""

import itertools
import re
import uuid

SHORTEST_SECRET = 32
"""Bytes: as many as HMAC-SHA-256 gives back (RFC 7518, section 3.2)."""
_FEWEST_CHARACTERS = 8
"""A secret of 77 random decimal digits (256 bits) has fewer different ones in one of 10^9 cases."""
_FEWEST_PAIRS = 16
"""Different pairs of neighbours: a text that repeats itself (`0123456789012345...`) has fewer."""
_PUBLISHED = frozenset(
    secret.casefold()
    for secret in (
        # The manual of vantage6, and what people write when they mean to come back later.
        "super-secret-key!", "super-secret-key", "secret", "changeme", "change-me", "password",
        # FastAPI's tutorial: OAuth2 with Password (and hashing), Bearer with JWT tokens
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        # Flask's documentation: Configuration Handling, SECRET_KEY; and its quick start before 1.0
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "A0Zr98j/3yX R~XHH!jmN]LWX/,?RT",
        # jwt.io's debugger, before 2025 and since
        "your-256-bit-secret", "your-384-bit-secret", "your-512-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "a-valid-string-secret-that-is-at-least-384-bits-long",
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
        # RFC 7515, appendix A.1, and RFC 7520, section 3.5: the symmetric keys of their examples
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
        # The tutorials on Spring Security with JWT that most are copied from
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
        "======================BezKoder=Spring===========================",
        # Defaults of Supabase's local stack, and of Nacos
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
        "SecretKey012345678901234567890123456789012345678901234567890123456789",
        "VGhpc0lzTXlDdXN0b21TZWNyZXRLZXkwMTIzNDU2Nzg=",
    )
)  # fmt: skip
_SAYS_SO = (
    "changeme", "changethis", "changeinproduction", "replaceme", "replacethis", "yoursecret", "supersecret",
    "yoursupersecret", "secretkey", "bitsecret", "atleast32", "atleast256", "djangoinsecure", "donotuse",
)  # fmt: skip
"""What only examples hold, letters and digits alone: Django begins the keys of new projects with `django-insecure-`."""


def weakness(secret: str) -> str | None:
    """What makes it easy to guess this secret; None when nothing does."""
    text = secret.strip().casefold()
    if text in _PUBLISHED or any(words in re.sub(r"[\W_]", "", text) for words in _SAYS_SO):
        return "it is a placeholder that everybody knows"
    if _is_uuid(text):
        return "it is a UUID, which names things and is made to be unique, not secret"
    if len(secret.encode("utf-8", "surrogatepass")) < SHORTEST_SECRET:
        return f"it has fewer than {SHORTEST_SECRET} bytes"
    if len(set(text)) < _FEWEST_CHARACTERS or len(set(itertools.pairwise(text))) < _FEWEST_PAIRS:
        return "it is made of few different characters"
    return None


def _is_uuid(text: str) -> bool:
    try:
        found = uuid.UUID(text)
    except ValueError:
        return False
    # Without dashes 128 random bits look alike, but seldom have the version in its place.
    return "-" in text or found.version is not None
