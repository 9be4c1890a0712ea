"""What the routes of this service are, for the API's description."""

from typing import Annotated, Literal

from pydantic import Field

from dataquality.core.openapi.described import Described, Listed, Table
from dataquality.core.shapes import Id, Link, Links, Message, Moment, Shape

_EXAMPLE_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.c2lnbmF0dXJl"
_Jwt = Annotated[str, Field(examples=[_EXAMPLE_JWT])]


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
_FAILED = "Too many attempts from this address, or for this account, have failed."
_WEAK = (
    "The password is too weak: it takes 8 to 128 characters, among them a digit, a capital and a small letter, "
    "and something else. It must not contain the username, nor be one of the 10,000 most common passwords."
)
_TAKEN = "The username or the e-mail address is taken."
_BUILT_IN = "The role is built in."
_RESERVED = "The name belongs to a built-in role."
_VOID = "The token is not valid, or was used already."
_ANY_PATTERN = "An SQL pattern in any case (`%`, `_`); may come several times: any of them may fit."
_NEW_PASSWORD = "Another-word-7"  # noqa: S105

OPERATIONS: Table = {
    "POST /token/user": Described(
        "Sign in as a user",
        UserTokens | NewFactor | Message,
        example={"username": "ada", "password": _NEW_PASSWORD},
        denied="The username, the password or the code is wrong, or the account is locked.",
        limited=_FAILED,
        headers=_JWT,
    ),
    "POST /token/node": Described(
        "Sign in as a node",
        NodeTokens,
        example={"api_key": "3b0cf8a6-4b4b-4d4f-8f0e-6d1f2a3b4c5d"},
        denied="No node has this key.",
        limited=_FAILED,
        headers=_JWT,
    ),
    "POST /token/container": Described(
        "A token for an algorithm",
        ContainerToken,
        "none: the node that is to run the task",
        example={"task_id": 7, "image": "registry.example/average:1"},
        refusals=("There is no such task.", "The task is complete."),
        denied="The task is for another image or of another collaboration.",
    ),
    "POST /token/refresh": Described(
        "New tokens for a refresh token",
        UserTokens | NodeTokens,
        token="whoever holds a refresh token",  # noqa: S106
    ),
    "POST /token/revoke": Described(
        "Sign out",
        Message,
        parameters={"all": "End all sessions of the user, and not this one alone."},
    ),
    "PATCH /password/change": Described(
        "Change one's own password",
        Message,
        example={"current_password": "The-word-so-far-1", "new_password": _NEW_PASSWORD},
        refusals=(_WEAK, "The new password is the current one."),
        denied="The current password is wrong, or the account is locked.",
        limited=_FAILED,
    ),
    "POST /recover/lost": Described(
        "Ask for a mail to set a lost password",
        Message,
        example={"username": "ada"},
        limited="Too many mails were asked for from this address.",
    ),
    "POST /recover/reset": Described(
        "Set a lost password anew",
        Message,
        example={"reset_token": _EXAMPLE_JWT, "password": _NEW_PASSWORD},
        refusals=(_VOID, _WEAK),
        denied="The token has expired.",
        mail_token=True,
        limited="The server is busy with other passwords.",
    ),
    "POST /recover/2fa/lost": Described(
        "Ask for a mail to set a lost second factor",
        Message,
        example={"username": "ada", "password": _NEW_PASSWORD},
        denied="The username, the e-mail address or the password is wrong.",
        limited=_FAILED,
    ),
    "POST /recover/2fa/reset": Described(
        "Set a lost second factor anew",
        NewFactor,
        example={"reset_token": _EXAMPLE_JWT},
        refusals=(_VOID,),
        denied="The token has expired.",
        mail_token=True,
    ),
    "GET /user": Described(
        "List users",
        Listed(User),
        "view user at scope GLOBAL, or ORGANIZATION for those of the own organization",
        parameters={"rule_id": "Only those with this rule, other than by a role."},
    ),
    "POST /user": Described(
        "Create a user",
        User,
        "create user at scope GLOBAL, or ORGANIZATION in the own organization; and every rule that the user gets",
        201,
        example={
            "username": "ada",
            "firstname": "Ada",
            "lastname": "Lovelace",
            "password": _NEW_PASSWORD,
            "email": "ada@example.org",
        },
        refusals=(_WEAK, _TAKEN),
        missing="The organization in the body is not there.",
        limited="The server is busy with other passwords.",
    ),
    "GET /user/{user_id}": Described(
        "Show a user",
        User,
        "view user at scope GLOBAL, or ORGANIZATION for users of the own organization; none for oneself",
    ),
    "PATCH /user/{user_id}": Described(
        "Change a user",
        User,
        _USER.format("edit") + "; and every rule that the user has or gets",
        example={"firstname": "Augusta"},
        refusals=(
            _TAKEN,
            "The username of somebody else is not to be changed.",
            "The current password is needed to change one's own e-mail address.",
        ),
        denied="The current password is wrong, or the account is locked.",
        limited=_FAILED,
        missing="The organization, or a role or a rule in the body, is not there.",
    ),
    "DELETE /user/{user_id}": Described(
        "Delete a user", Message, _USER.format("delete") + "; and every rule that the user has"
    ),
    "GET /role": Described(
        "List roles",
        Listed(Role),
        "none for one's own roles; view role at scope GLOBAL for all, ORGANIZATION for those of the own organization",
        parameters={"name": _ANY_PATTERN, "description": _ANY_PATTERN},
    ),
    "POST /role": Described(
        "Create a role",
        Role,
        "create role at scope GLOBAL, or ORGANIZATION in the own organization; and every rule in it",
        201,
        example={"name": "Reader", "description": "Sees what there is", "rules": [1]},
        refusals=(_RESERVED,),
        missing="The organization, or a rule in the body, is not there.",
    ),
    "GET /role/{role_id}": Described("Show a role", Role, _OWN_ROLE.format("view") + "; none for one's own roles"),
    "PATCH /role/{role_id}": Described(
        "Change a role",
        Role,
        _OWN_ROLE.format("edit") + "; and every rule given",
        example={"description": "Sees everything"},
        refusals=(_BUILT_IN, _RESERVED),
        missing="A rule in the body is not there.",
    ),
    "DELETE /role/{role_id}": Described("Delete a role", Message, _OWN_ROLE.format("delete"), refusals=(_BUILT_IN,)),
    "GET /role/{role_id}/rule": Described("List the rules of a role", Listed(Rule), _OWN_ROLE.format("view")),
    "POST /role/{role_id}/rule/{rule_id}": Described(
        "Put a rule into a role",
        list[Rule],
        _OWN_ROLE.format("edit") + "; and the rule itself",
        201,
        refusals=(_BUILT_IN,),
    ),
    "DELETE /role/{role_id}/rule/{rule_id}": Described(
        "Take a rule out of a role",
        list[Rule],
        _OWN_ROLE.format("delete") + "; and the rule itself",
        refusals=(_BUILT_IN,),
    ),
    "GET /rule": Described("List rules", Listed(Rule), parameters={"name": "Only those on this resource."}),
    "GET /rule/{rule_id}": Described("Show a rule", Rule),
    "GET /health": Described("Whether the database answers", Health),
    "GET /version": Described("The server's version", Version),
}
