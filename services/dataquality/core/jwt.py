"""PyJWT, typed, with the two checks that the contract's tokens need to be different."""

import warnings
from typing import Any, cast

import jwt as pyjwt

ALGORITHM = "HS256"
# The configuration refuses short secrets in `acc` and `prod` and warns of them elsewhere; a warning a token is noise.
warnings.filterwarnings("ignore", category=pyjwt.InsecureKeyLengthWarning)
# A token that another service made a moment ago must not be "not yet valid" here.
_LEEWAY_SECONDS = 5

ExpiredSignatureError = pyjwt.ExpiredSignatureError
JwtError = pyjwt.PyJWTError


def encode(claims: dict[str, Any], secret: str) -> str:
    """Sign the claims."""
    return cast(Any, pyjwt).encode(claims, secret, ALGORITHM)


def decode(token: str, secret: str, *, may_be_expired: bool = False) -> dict[str, Any]:
    """The claims of a token with a good signature that is valid now, or was once if it may be expired. Raises JwtError.

    `sub` may be an integer or an object here, which the library refuses (RFC 7519): whoever calls checks it.
    """
    options = {"verify_sub": False, "verify_exp": not may_be_expired, "require": ["iat", "jti"]}
    return cast(Any, pyjwt).decode(token, secret, [ALGORITHM], options=options, leeway=_LEEWAY_SECONDS)
