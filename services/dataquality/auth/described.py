"""What the routes of this service are, for the API's description."""

from typing import Annotated, Literal

from pydantic import Field

from dataquality.core.openapi import Described, Listed, Table
from dataquality.core.shapes import Id, Link, Links, Message, Moment, Shape

_Jwt = Annotated[str, Field(examples=["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.c2lnbmF0dXJl"])]


class User(Shape):
    """A person who may sign in."""

    id: Id
    type: Literal["user"]
    username: Annotated[str, Field(examples=["ada"])]
    firstname: str | None
    lastname: str | None
    email: Annotated[str | None, Field(examples=["ada@example.org"])]
    ip: Annotated[str | None, Field(examples=["192.0.2.7"])]
    status: Literal["online", "offline"] | None
    last_seen: Moment | None
    organization: Link | None
    roles: Links
    rules: Links
    created_tasks: list[Id]


class Role(Shape):
    """Rules under one name; without an organization it is everybody's."""

    id: Id
    name: Annotated[str, Field(examples=["Researcher"])]
    description: str | None
    organization: Link | None
    rules: Links
    users: Links


class Rule(Shape):
    """An operation on a resource, allowed in a scope."""

    id: Id
    name: Annotated[str, Field(examples=["task"])]
    scope: Literal["OWN", "ORGANIZATION", "COLLABORATION", "GLOBAL"]
    operation: Literal["VIEW", "EDIT", "CREATE", "DELETE"]
    description: str | None
    users: Links


class _Tokens(Shape):
    access_token: _Jwt
    refresh_token: _Jwt
    refresh_url: Annotated[str, Field(examples=["/api/token/refresh"])]


class UserTokens(_Tokens):
    """What a user signs its requests with."""

    user_url: Annotated[str, Field(examples=["/api/user/1"])]


class NodeTokens(_Tokens):
    """What a node signs its requests with."""

    node_url: Annotated[str, Field(examples=["/api/node/2"])]


class NewFactor(Shape):
    """What an authenticator app needs."""

    qr_uri: str
    otp_secret: str
    msg: str


class ContainerToken(Shape):
    """What an algorithm signs its requests with."""

    container_token: _Jwt


class Health(Shape):
    """Whether the database answers."""

    database: bool


class Version(Shape):
    """The server's version."""

    version: Annotated[str, Field(examples=["1.0.0"])]


_OWN_ROLE = "{} role at scope GLOBAL, or ORGANIZATION for roles of the own organization"
_USER = "{} user at scope GLOBAL, ORGANIZATION for users of the own organization, or OWN for oneself"
_JWT = {"jwt-token": "The access token once more"}

OPERATIONS: Table = {
    "POST /token/user": Described(
        "Sign in as a user", UserTokens | NewFactor | Message, errors=(401, 429), headers=_JWT
    ),
    "POST /token/node": Described("Sign in as a node", NodeTokens, errors=(401, 429), headers=_JWT),
    "POST /token/container": Described("A token for an algorithm", ContainerToken),
    "POST /token/refresh": Described(
        "New tokens for a refresh token",
        UserTokens | NodeTokens,
        token="whoever holds a refresh token",  # noqa: S106
    ),
    "PATCH /password/change": Described("Change one's own password", Message, errors=(429,)),
    "POST /recover/lost": Described("Ask for a mail to set a lost password", Message, errors=(429,)),
    "POST /recover/reset": Described("Set a lost password anew", Message, errors=(401, 422, 429)),
    "POST /recover/2fa/lost": Described("Ask for a mail to set a lost second factor", Message, errors=(401, 429)),
    "POST /recover/2fa/reset": Described("Set a lost second factor anew", NewFactor, errors=(401, 422, 429)),
    "GET /user": Described(
        "List users", Listed(User), "view user at scope GLOBAL, or ORGANIZATION for those of the own organization"
    ),
    "POST /user": Described(
        "Create a user",
        User,
        "create user at scope GLOBAL, or ORGANIZATION in the own organization; and every rule that the user gets",
        201,
        (404,),
    ),
    "GET /user/{user_id}": Described("Show a user", User, _USER.format("view")),
    "PATCH /user/{user_id}": Described("Change a user", User, _USER.format("edit")),
    "DELETE /user/{user_id}": Described("Delete a user", Message, _USER.format("delete")),
    "GET /role": Described(
        "List roles",
        Listed(Role),
        "none for one's own roles; view role at scope GLOBAL for all, ORGANIZATION for those of the own organization",
    ),
    "POST /role": Described(
        "Create a role",
        Role,
        "create role at scope GLOBAL, or ORGANIZATION in the own organization; and every rule in it",
        201,
        (404,),
    ),
    "GET /role/{role_id}": Described("Show a role", Role, _OWN_ROLE.format("view") + "; none for one's own roles"),
    "PATCH /role/{role_id}": Described("Change a role", Role, _OWN_ROLE.format("edit") + "; and every rule given"),
    "DELETE /role/{role_id}": Described("Delete a role", Message, _OWN_ROLE.format("delete")),
    "GET /role/{role_id}/rule": Described("List the rules of a role", Listed(Rule), _OWN_ROLE.format("view")),
    "POST /role/{role_id}/rule/{rule_id}": Described(
        "Put a rule into a role", list[Rule], _OWN_ROLE.format("edit") + "; and the rule itself", 201
    ),
    "DELETE /role/{role_id}/rule/{rule_id}": Described(
        "Take a rule out of a role", list[Rule], _OWN_ROLE.format("delete") + "; and the rule itself"
    ),
    "GET /rule": Described("List rules", Listed(Rule)),
    "GET /rule/{rule_id}": Described("Show a rule", Rule),
    "GET /health": Described("Whether the database answers", Health),
    "GET /version": Described("The server's version", Version),
}
