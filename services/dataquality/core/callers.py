"""Who calls, and what they may do: the type of a handler's parameter says both.

A handler that takes `caller: Annotated[Caller, caller_of(UserCaller, NodeCaller)]` is reached by users and nodes only;
one that takes `caller: Annotated[Caller, permitted("node", Operation.VIEW, UserCaller, NodeCaller)]` by those among
them that hold the rule in some scope. Which rows they see is `readable_by(caller)` of each resource.
"""

from dataclasses import dataclass, field
from typing import Any

from fastapi import Depends, Request
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.context import Context, context_of
from dataquality.core.errors import ApiError, Forbidden, InvalidToken, PasswordChangeNeeded, Unauthorized
from dataquality.core.first_password import ROOT_USERNAME
from dataquality.core.permissions import Grant, IdentityKind, Permissions
from dataquality.core.tokens import Claims, ContainerClaims, ContainerSubject, IdentityClaims
from dataquality.model import Authenticatable, Node, Operation, RefreshSession, Result, Scope, User


@dataclass(frozen=True)
class Caller:
    """What users, nodes and containers have in common."""

    id: int
    """Of the user or node; a container's is its node's."""
    organization_id: int
    permissions: Permissions

    def scopes(self, resource: str, operation: Operation) -> frozenset[Scope]:
        """In which scopes this caller may do that."""
        return self.permissions.scopes(resource, operation)

    def holds(self, resource: str, scope: Scope, operation: Operation) -> bool:
        """True if the caller holds exactly this rule."""
        return self.permissions.holds(resource, scope, operation)


@dataclass(frozen=True)
class UserCaller(Caller):
    """A person."""


@dataclass(frozen=True)
class NodeCaller(Caller):
    """An organization's node in one collaboration."""

    collaboration_id: int
    sign_in: int = 0
    """Which of its sign-ins calls (see `IdentityClaims.sign_in`); 0 where the token does not say."""
    key_id: str = field(default="", repr=False)
    """The id of its API key: what it is given ends with that key."""


@dataclass(frozen=True)
class ContainerCaller(Caller):
    """An algorithm container at work on a task."""

    subject: ContainerSubject


_KINDS: dict[type[Caller], str] = {UserCaller: "users", NodeCaller: "nodes", ContainerCaller: "containers"}


class TokenMiddleware:
    """Reads the bearer token once a request; `request.state.claims` is what it says, or the error that it deserves."""

    def __init__(self, app: Any, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["claims"] = read_bearer(self._context, authorization_of(scope))
        await self._app(scope, receive, send)


def authorization_of(scope: Any) -> str | None:
    """The Authorization header of an ASGI request."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == b"authorization"), None)


def read_bearer(context: Context, header: str | None) -> Claims | ApiError:
    """What an Authorization header says, or the error to answer with where a caller is needed."""
    if context.tokens is None or not header:
        return Unauthorized("This address needs an Authorization header: `Bearer <access token>`.")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return InvalidToken("The Authorization header must read `Bearer <access token>`.")
    try:
        return context.tokens.read(token.strip())
    except ApiError as error:
        return error


def read_expired_bearer(context: Context, header: str | None) -> Claims | None:
    """What an Authorization header says whose token may have expired: whose it was, and no right to anything."""
    _, _, token = (header or "").partition(" ")
    return None if context.tokens is None else context.tokens.read_expired(token.strip())


async def access_claims(request: Request) -> Claims:
    """The claims of a valid access token."""
    return require_access(request.state.claims)


def require_access(claims: Claims | ApiError) -> Claims:
    """What `TokenMiddleware` left, if it is that of an access token; raises what it deserves if not."""
    if isinstance(claims, ApiError):
        raise claims
    if claims.type != "access":
        raise InvalidToken("This address takes an access token, not a refresh token.")
    return claims


async def identify(context: Context, claims: Claims) -> Caller:
    """The caller that these claims speak of. Raises Unauthorized when it is gone or may no longer call.

    The connection is given back before the rights are asked for: that takes another one in `auth`, and a call to it
    elsewhere. Callers that hold one and wait for the next would block one another.
    """
    if isinstance(claims, ContainerClaims):
        caller = await _container(context, claims)
    else:
        caller = await _identity(context, claims)
    if not isinstance(caller, UserCaller):
        context.saw_node(caller.id)
    if caller.permissions.has_first_password and context.settings.is_strict:
        # Signed in while this was another type of environment.
        raise PasswordChangeNeeded(
            "You still have the first password of this server, which everybody knows. The server's operator sets "
            f"another one with `vserver user set-password {ROOT_USERNAME}`; until then you can do nothing."
        )
    return caller


async def _identity(context: Context, claims: IdentityClaims) -> Caller:
    async with context.database.reading() as connection:
        row = await _row(connection, claims.sub, claims.sid)
    if row is None or row.type != claims.client_type:
        raise Unauthorized(f"This {claims.client_type} no longer exists. Sign in again.")
    if row.type == "user" and claims.sid is not None and not row.has_session:
        raise Unauthorized(
            "This session has ended: by a sign-out, or by a new password or second factor. Sign in again."
        )
    if row.type == "node" and claims.sid not in (None, row.api_key_id):
        raise Unauthorized("This node has a new API key; its tokens ended with the old one. Sign in with the new one.")
    permissions = await _permissions(context, claims.client_type, row)
    if row.type == "user":
        return UserCaller(row.id, row.user_organization, permissions)
    place = (row.node_organization, permissions, row.collaboration_id)
    return NodeCaller(row.id, *place, claims.sign_in or 0, row.api_key_id)


async def _container(context: Context, claims: ContainerClaims) -> ContainerCaller:
    subject = claims.sub
    # The part of its organization in the task is what it runs for; once that has ended, it has nothing more to ask.
    its_part = (Result.task_id == subject.task_id, Result.organization_id == subject.organization_id)
    still_open = select(Result.id).where(*its_part, Result.finished_at.is_(None)).limit(1)
    async with context.database.reading() as connection:
        row = await _row(connection, subject.node_id)
        is_open = await connection.scalar(still_open) is not None
    if row is None or row.type != "node" or not is_open:
        raise Unauthorized("What this container works for has ended, or its node no longer exists.")
    if (row.node_organization, row.collaboration_id) != (subject.organization_id, subject.collaboration_id):
        raise Unauthorized("The node of this container works in another collaboration now.")
    if claims.sid not in (None, row.api_key_id):
        raise Unauthorized("The node of this container has a new API key; what it started with the old one ended.")
    return ContainerCaller(row.id, subject.organization_id, await _permissions(context, "container", row), subject)


async def _permissions(context: Context, kind: IdentityKind, row: Any) -> Permissions:
    return await context.permissions.permissions(kind, row.id, row.stamp)


async def _row(connection: AsyncConnection, identity: int, session: str | None = None) -> Any:
    # A user's access token lives as long as the sign-in that it comes from: one whose refresh token is not revoked.
    lives = (RefreshSession.authenticatable_id == identity, RefreshSession.revoked_at.is_(None))
    statement = (
        select(
            Authenticatable.id.label("id"),
            Authenticatable.type.label("type"),
            Authenticatable.stamp.label("stamp"),
            _user.c.organization_id.label("user_organization"),
            _node.c.organization_id.label("node_organization"),
            _node.c.collaboration_id.label("collaboration_id"),
            _node.c.api_key_id.label("api_key_id"),
            exists().where(RefreshSession.family == session, *lives).label("has_session"),
        )
        .select_from(Authenticatable.__table__)
        .outerjoin(_user, _user.c.id == Authenticatable.id)
        .outerjoin(_node, _node.c.id == Authenticatable.id)
        .where(Authenticatable.id == identity)
    )
    return (await connection.execute(statement)).one_or_none()


_user = User.__table__
_node = Node.__table__


@dataclass(frozen=True)
class OnlyKinds:
    """A dependency: the caller, if it is of one of these kinds. The API's description reads the kinds from it."""

    kinds: tuple[type[Caller], ...]

    async def __call__(self, request: Request) -> Caller:
        claims = await access_claims(request)
        caller = await identify(context_of(request), claims)
        if self.kinds and not isinstance(caller, self.kinds):
            raise Forbidden(f"This address is for {self.names} only.")
        return caller

    @property
    def names(self) -> str:
        """The kinds in words."""
        return " and ".join(_KINDS[kind] for kind in self.kinds)


@dataclass(frozen=True)
class OnlyPermitted(OnlyKinds):
    """The same, if the caller holds the rule in at least one scope."""

    resource: str
    operation: Operation

    async def __call__(self, request: Request) -> Caller:
        caller = await super().__call__(request)
        if not caller.scopes(self.resource, self.operation):
            raise forbidden(self.resource, self.operation)
        return caller


def caller_of(*kinds: type[Caller]) -> Any:
    """A dependency: the caller, if it is of one of these kinds."""
    return Depends(OnlyKinds(kinds))


def permitted(resource: str, operation: Operation, *kinds: type[Caller]) -> Any:
    """A dependency: the caller, if it is of one of these kinds and holds the rule in at least one scope."""
    return Depends(OnlyPermitted(kinds, resource, operation))


def forbidden(resource: str, operation: Operation) -> Forbidden:
    """The refusal for want of a rule."""
    return Forbidden(
        f"You lack the permission to {operation.name.lower()} this {resource}. Ask an administrator for it."
    )


def missing_grants(grants: list[Grant]) -> Forbidden:
    """The refusal to give what one lacks; names the first missing rule."""
    return Forbidden(f"You cannot give or take a rule that you lack: {grants[0].sentence}.")
