"""Types of fields in requests, and of ids in paths, that all services share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from dataquality.core.errors import NotFound
from dataquality.core.query import MAX_ID, Whole
from dataquality.core.usernames import username_problem

_LONGEST_NAME = 255


def is_encodable(text: str) -> bool:
    """True if the text has no halves of surrogate pairs."""
    # Costs nothing, where to encode a large result would cost a copy of it.
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _storable(text: str) -> str:
    # Postgres holds no zero characters, and half of a surrogate pair is no character at all.
    if "\x00" in text or not is_encodable(text):
        raise PydanticCustomError("unstorable", "must not hold zero characters or halves of surrogate pairs")
    return text


def _clear(username: str) -> str:
    if problem := username_problem(username):
        raise PydanticCustomError("unclear_name", "{problem}", {"problem": problem})
    return username


def _possible(identity: int) -> int:
    if identity > MAX_ID:
        raise NotFound(f"There is nothing with the id {identity}.")
    return identity


class Body(BaseModel):
    """The JSON body of a request: no conversions, unknown fields ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


Text = Annotated[str, AfterValidator(_storable)]
"""Any text that a database can hold."""
ShortText = Annotated[str, Field(max_length=_LONGEST_NAME), AfterValidator(_storable)]
"""A text of at most 255 characters."""
Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME), AfterValidator(_storable)]
"""A text of 1 to 255 characters."""
Username = Annotated[Name, AfterValidator(_clear)]
"""A name to sign in with, in which nothing is invisible."""
BodyId = Annotated[int, Field(ge=1, le=MAX_ID), Whole]
"""An id in a body."""
PathId = Annotated[int, AfterValidator(_possible)]
"""An id in a path; one larger than any id can be is unknown like others that are not there."""
