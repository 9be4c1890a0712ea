"""What a table of operations says of each route: all that the types of its handler do not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Listed:
    """A list of these, in pages and in an envelope where the request asks for them."""

    item: Any


@dataclass(frozen=True)
class To:
    """A link: what can be done next with something from the answer.

    `parameters` and `body` hold runtime expressions of OpenAPI, such as `$response.body#/id`.
    """

    operation: str
    """Its operationId, perhaps of another service."""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = None


@dataclass(frozen=True)
class Described:
    """An operation."""

    summary: str
    answer: Any
    permission: str = "none"
    status: int = 200
    example: Any = None
    """A body that a server which has just what it mentions would take."""
    refusals: Sequence[str] = ()
    """Why a request that is well-formed may be refused (400, code `refused`); a sentence for each reason."""
    missing: str = ""
    """What may not be there (404), beside what the path names."""
    denied: str = ""
    """Why it may answer 401 to callers who need not be signed in."""
    limited: str = ""
    """Whose attempts are counted (429)."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    token: str = ""
    """Who calls with a token other than the access token that the types ask for."""
    mail_token: bool = False
    """True where the body holds a token from a mail, which may be one of another purpose (422)."""
    links: Sequence[To] = ()
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """What its query parameters mean where that is another than elsewhere."""


Table = Mapping[str, Described]
"""By method and path below the API path, such as `GET /user/{user_id}`."""
