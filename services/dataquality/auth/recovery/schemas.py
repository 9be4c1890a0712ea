"""Bodies of requests for recovery."""

from typing import Self

from pydantic import ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from dataquality.auth.fields import BoundedText
from dataquality.core.fields import Body


class Lost(Body):
    """Whose it is: by username, or where that is not given by e-mail."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string", "minLength": 1}}}
                for name in ("username", "email")
            ]
        }
    )
    username: BoundedText | None = None
    email: BoundedText | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.username and not self.email:
            raise PydanticCustomError("nobody", "give your username or your e-mail address")
        return self


class TwoFactorLost(Lost):
    """The password stands in for the factor that is left."""

    password: BoundedText


class PasswordReset(Body):
    """The token from the mail, and the password to come."""

    reset_token: BoundedText
    password: BoundedText


class TwoFactorReset(Body):
    """The token from the mail."""

    reset_token: BoundedText
