"""Nodes sign in, and everybody stays signed in.

`None` as an outcome is a refusal whose transaction must be committed all the same (an ended family): so it is
returned and not raised.
"""

from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.auth.limits import Attempt
from dataquality.auth.parts import AuthParts
from dataquality.auth.token import repository, sessions
from dataquality.auth.token.schemas import ContainerRequest, NodeLogin
from dataquality.auth.token.tokens import CONTAINER_LIFETIME, Tokens, access_lifetime, token_key
from dataquality.auth.token.users import tokens_of
from dataquality.core.addresses import Address
from dataquality.core.audit import record
from dataquality.core.callers import NodeCaller, UserCaller
from dataquality.core.context import Context
from dataquality.core.errors import Refused, Unauthorized
from dataquality.core.keys import api_key_id
from dataquality.core.tokens import ContainerSubject, IdentityClaims
from dataquality.model import utc_now

log = structlog.stdlib.get_logger(__name__)


async def sign_in_node(
    context: Context, parts: AuthParts, session: AsyncSession, login: NodeLogin, address: Address | None
) -> Tokens:
    """Tokens for a known key, however many wrong ones came from the same address: see `_node_of_key`.

    Raises Unauthorized for an unknown one: the node then ends for good. Raises TooManyRequests after too many of them.
    """
    key_id = api_key_id(login.api_key, parts.api_key_pepper)
    node = await _node_of_key(context, parts, key_id, login.api_key, address)
    connection = await session.connection()
    await repository.saw(connection, node.id, utc_now(), address)
    await sessions.forget_oldest_of_node(connection, node.id)
    refresh = token_key(context).issue(node.id, "node", "refresh", None, session=key_id)
    sign_in = await sessions.remember(connection, node.id, key_id, refresh)
    return Tokens("node", node.id, _node_access(context, node.id, key_id, sign_in), refresh.text)


async def _node_of_key(context: Context, parts: AuthParts, key_id: str, api_key: str, address: Address | None) -> Any:
    """The node's row. Raises as `sign_in_node`.

    Keys that were made at random cannot be guessed, and get in beside any number of wrong ones: a node shares its
    address with others of its hospital. Keys that a person chose are held to the limit, as passwords are.
    """
    async with context.database.reading() as connection:
        node = await repository.node_by_key_id(connection, key_id)
    if node is not None and node.api_key_hash is None:
        return node
    async with parts.limits.place(Attempt(address)) as place:
        place.failed = node is None or not await parts.passwords.verify(node.api_key_hash, api_key)
    if place.failed:
        raise Unauthorized("No node has this API key. Ask your administrator for the right one.")
    return node


async def refresh_node(context: Context, claims: IdentityClaims, presented: str) -> Tokens | None:
    """A new access token; the refresh token stays the same, because older nodes never take a new one."""
    async with context.database.reading() as connection:
        found = await sessions.session_of_node(connection, claims.sub, claims.jti)
        if found is None and not await sessions.exists_still(connection, claims.sub):
            raise _gone("node")
    if found is None:
        return None
    access = _node_access(context, claims.sub, found.api_key_id, found.id)
    return Tokens("node", claims.sub, access, presented)


async def refresh_user(context: Context, session: AsyncSession, claims: IdentityClaims) -> Tokens | None:
    """A new pair of tokens for a refresh token that was not used before, or a moment ago."""
    connection = await session.connection()
    outcome, family = await sessions.use(connection, claims.sub, claims.jti, claims.sid, utc_now())
    if outcome is sessions.Use.ACCEPTED:
        return await tokens_of(context, connection, claims.sub, family)
    if outcome is sessions.Use.REUSED:
        log.warning("a refresh token came twice; all from the same sign-in are void now", user_id=claims.sub)
        await record(session, None, "refresh_token_reused", "user", claims.sub)
    elif not await sessions.exists_still(connection, claims.sub):
        raise _gone("user")
    return None


async def revoke(session: AsyncSession, caller: UserCaller, family: str | None) -> None:
    """End this session of the caller's; all where none is given."""
    connection = await session.connection()
    await sessions.lock_owner(connection, caller.id)
    if family is None:
        await sessions.end_others(connection, caller.id, None, utc_now())
    else:
        await sessions.end_one(connection, caller.id, family, utc_now())
    await record(session, caller, "signed_out", "user", caller.id, {"all": family is None})


async def container_token(
    context: Context, connection: AsyncConnection, caller: NodeCaller, wanted: ContainerRequest
) -> str:
    """A token for an algorithm of a task in which the node's part is open.

    It ends with that part, with the node, and with the node's API key.
    """
    task = await repository.task_for_container(connection, wanted.task_id, caller.organization_id)
    if task is None:
        raise Refused(f"There is no task {wanted.task_id}.", {"task_id": "unknown"})
    if task.image != wanted.image:
        raise Unauthorized(f"Task {task.id} is for another image than {wanted.image!r}.")
    if task.collaboration_id != caller.collaboration_id:
        raise Unauthorized(f"Task {task.id} belongs to another collaboration than this node.")
    if not task.is_open:
        raise Refused(f"Task {task.id} has ended for this node, or never asked it; no algorithm may start for it.")
    subject = ContainerSubject(
        node_id=caller.id,
        organization_id=caller.organization_id,
        collaboration_id=caller.collaboration_id,
        task_id=task.id,
        image=task.image,
        database=task.database,
    )
    return token_key(context).issue(subject, "container", "access", CONTAINER_LIFETIME, session=caller.key_id).text


def _node_access(context: Context, node_id: int, key_id: str, sign_in: int) -> str:
    lifetime = access_lifetime(context.settings)
    return token_key(context).issue(node_id, "node", "access", lifetime, session=key_id, sign_in=sign_in).text


def _gone(kind: str) -> Unauthorized:
    return Unauthorized(f"This {kind} no longer exists, and with it its refresh token. Ask your administrator.")
