"""One tree of errors; `app` shapes them once. `msg` is for people: what was wrong, and what to do."""

from collections.abc import Mapping


class ApiError(Exception):
    """An answer other than success: a status, a stable code, a message, and where useful a text per field."""

    status = 500
    code = "fault"

    def __init__(self, msg: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(msg)
        self.msg = msg
        self.fields = fields

    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {}


class BadRequest(ApiError):
    """The request cannot be carried out as it stands."""

    status = 400
    code = "bad_request"


class Refused(BadRequest):
    """Well-formed, but it cannot be done as things stand: a name is taken, a task has ended."""

    code = "refused"


class Conflict(BadRequest):
    """It clashes with what another request did at the same moment."""

    code = "conflict"


class Unauthorized(ApiError):
    """Not signed in, or not allowed: the contract answers 401 to both."""

    status = 401
    code = "unauthorized"


class Forbidden(Unauthorized):
    """Signed in, but a rule is missing. Still a 401 on the wire; the code tells the two apart."""

    code = "forbidden"


class PasswordChangeNeeded(Unauthorized):
    """Signed in with a password that everybody knows: nothing may be done before the operator has set another."""

    code = "password_change_needed"


class NotFound(ApiError):
    """There is no such thing."""

    status = 404
    code = "not_found"


class InvalidToken(ApiError):
    """A token that is malformed, wrongly signed, or of another kind."""

    status = 422
    code = "invalid_token"


class KeyUsedOtherwise(ApiError):
    """An Idempotency-Key that stands for another request."""

    status = 422
    code = "idempotency_key_used"


class InProgress(ApiError):
    """The same request is being carried out at the moment."""

    status = 409
    code = "in_progress"

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "1"}


class TooSlow(ApiError):
    """The body did not come in time."""

    status = 408
    code = "too_slow"


class TooLarge(ApiError):
    """The body is larger than the server takes."""

    status = 413
    code = "too_large"


class TooManyRequests(ApiError):
    """Come back later: after `retry_after` seconds."""

    status = 429
    code = "too_many_requests"

    def __init__(self, msg: str, retry_after: int) -> None:
        super().__init__(msg)
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class Unavailable(ApiError):
    """A part of the server does not answer; nothing was done, and trying again is safe."""

    status = 503
    code = "unavailable"

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}
