"""Codes of authenticator apps, computed here after RFC 6238 and not by the product's library."""

import base64
import hashlib
import hmac
import struct
import time

STEP = 30


def code_of(secret: str, steps: int = 0) -> str:
    """What an app shows for this secret (base32) now, or so many steps of thirty seconds later."""
    return code_at(secret, int(time.time()) + steps * STEP)


def code_at(secret: str, moment: int) -> str:
    """The six digits at a moment, in seconds since 1970."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", moment // STEP), hashlib.sha1)
    offset = digest[-1] & 0xF
    return f"{(struct.unpack_from('>I', digest, offset)[0] & 0x7FFFFFFF) % 10**6:06d}"


def wait_for_time(seconds: float = 8) -> None:
    """Wait until so much of the present step is left that a test which uses the code before is not overtaken."""
    left = STEP - time.time() % STEP
    if left < seconds:
        time.sleep(left)
