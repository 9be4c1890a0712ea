"""API keys of nodes: found by a keyed hash, so that a login costs the same with ten nodes and with ten thousand."""

import hashlib
import hmac
import re
import uuid

# Random UUIDs (122 bits) need no slow hash; a time-based one, or a word that a person chose, does.
_RANDOM_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_api_key() -> str:
    """A new random key: the text of a random UUID, as existing nodes expect."""
    return str(uuid.uuid4())


def derived_api_key(seed: bytes, pepper: str) -> str:
    """The key, in the form of `new_api_key`, that only the server can make from this random seed."""
    # The label keeps these apart from the ids, which are made with the same pepper.
    digest = hmac.new(pepper.encode(), b"derived API key\0" + seed, hashlib.sha256).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def api_key_id(api_key: str, pepper: str) -> str:
    """HMAC-SHA-256 of the key under the server's pepper, in hexadecimal: what the database looks it up by."""
    return hmac.new(pepper.encode(), api_key.encode(), hashlib.sha256).hexdigest()


def needs_slow_hash(api_key: str) -> bool:
    """True for keys that may hold less than 112 bits of chance (OWASP ASVS 5.0, 6.5.2)."""
    return _RANDOM_UUID.fullmatch(api_key) is None
