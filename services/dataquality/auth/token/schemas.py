"""Bodies of the requests for tokens."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from dataquality.auth.fields import BoundedText
from dataquality.core.fields import Body, BodyId
from dataquality.core.query import Boolean, Whole

_SixDigits = Annotated[int, Field(ge=0, le=999_999), Whole]


class UserLogin(Body):
    """A user signs in; `mfa_code` is the code of the second factor, as text or as a number."""

    username: BoundedText
    password: BoundedText
    mfa_code: BoundedText | _SixDigits | None = None

    @property
    def code(self) -> str:
        """The code's digits; empty when none was given."""
        if isinstance(self.mfa_code, int):
            return f"{self.mfa_code:06d}"
        return "".join((self.mfa_code or "").split())


class NodeLogin(Body):
    """A node signs in."""

    api_key: BoundedText


class Sessions(BaseModel):
    """Which sessions are to end."""

    model_config = ConfigDict(extra="ignore")

    all: Boolean = False


Which = Annotated[Sessions, Query()]


class ContainerRequest(Body):
    """A node asks on behalf of an algorithm that it is about to start."""

    task_id: BodyId
    image: BoundedText
