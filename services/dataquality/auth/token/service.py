"""Signing in and staying signed in.

`None` as an outcome is a refusal whose transaction must be committed all the same (a counted failure, an ended
family): so it is returned and not raised.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.auth.parts import AuthParts
from dataquality.auth.token import repository, sessions
from dataquality.auth.token.schemas import ContainerRequest, NodeLogin, UserLogin
from dataquality.core.audit import record
from dataquality.core.callers import NodeCaller
from dataquality.core.context import Context
from dataquality.core.errors import BadRequest, Unauthorized
from dataquality.core.keys import api_key_id
from dataquality.core.passwords import needs_rehash
from dataquality.core.settings import Settings
from dataquality.core.tokens import ContainerSubject, IdentityClaims, TokenKey
from dataquality.model import utc_now

log = structlog.stdlib.get_logger(__name__)
_ATTEMPTS = 3


@dataclass(frozen=True)
class Tokens:
    """What a user or a node gets."""

    kind: str
    identity: int
    access: str
    refresh: str

    def to_json(self, api_path: str) -> dict[str, str]:
        """The token object of the contract: paths without a host, which clients put before them."""
        return {
            "access_token": self.access,
            "refresh_token": self.refresh,
            "refresh_url": f"{api_path}/token/refresh",
            f"{self.kind}_url": f"{api_path}/{self.kind}/{self.identity}",
        }


async def sign_in_user(context: Context, parts: AuthParts, session: AsyncSession, login: UserLogin) -> Tokens | None:
    """Tokens for the right password; None for an unknown user, a wrong password, or a locked user.

    The password is checked while no connection is held: hashing takes long, connections are few. If the stored hash
    changes meanwhile (another login upgraded it, say), it is checked again.
    """
    for _ in range(_ATTEMPTS):
        async with context.database.reading() as connection:
            user = await repository.user_by_name(connection, login.username)
        locked = user is not None and _is_locked(user, context.settings)
        checked = parts.no_password if user is None or locked else user.password
        fits = await parts.passwords.verify(checked, login.password)
        if user is None or locked:
            return None
        if not fits:
            await _count_failure(session, user.id, context.settings)
            return None
        stored = await parts.passwords.hash(login.password) if needs_rehash(checked) else checked
        if tokens := await _accept(context, await session.connection(), user.id, checked, stored):
            return tokens
    return None


async def _accept(
    context: Context, connection: AsyncConnection, user_id: int, checked: str, stored: str
) -> Tokens | None:
    now, settings = utc_now(), context.settings
    locked = repository.is_locked(settings.max_failed_attempts, now - _window(settings))
    if not await repository.accept_user(connection, user_id, checked, stored, locked):
        return None
    await repository.saw(connection, user_id, now)
    return await _user_tokens(context, connection, user_id, sessions.new_family())


async def _user_tokens(context: Context, connection: AsyncConnection, user_id: int, family: str) -> Tokens:
    settings, key = context.settings, token_key(context)
    roles = await repository.role_names(connection, user_id)
    refresh_lifetime = timedelta(hours=settings.refresh_token_hours)
    refresh = key.issue(user_id, "user", "refresh", refresh_lifetime, roles, session=family)
    await sessions.remember(connection, user_id, family, refresh)
    access = key.issue(user_id, "user", "access", _access_lifetime(settings), roles, session=family)
    return Tokens("user", user_id, access.text, refresh.text)


def _is_locked(user: Any, settings: Settings) -> bool:
    failed_at = user.last_failed_login_at
    recent = failed_at is not None and failed_at > utc_now() - _window(settings)
    return recent and user.failed_login_attempts >= settings.max_failed_attempts


async def _count_failure(session: AsyncSession, user_id: int, settings: Settings) -> None:
    now = utc_now()
    failures = await repository.count_failure(await session.connection(), user_id, now, now - _window(settings))
    if failures == settings.max_failed_attempts:
        log.warning("a user is locked after too many failed logins", user_id=user_id)
        await record(session, None, "login_locked", "user", user_id, {"failures": failures})


async def sign_in_node(context: Context, parts: AuthParts, session: AsyncSession, login: NodeLogin) -> Tokens:
    """Tokens for a known key. Raises Unauthorized for an unknown one: the node then ends for good."""
    async with context.database.reading() as connection:
        node = await repository.node_by_key_id(connection, api_key_id(login.api_key, parts.api_key_pepper))
    if node is None or (node.api_key_hash and not await parts.passwords.verify(node.api_key_hash, login.api_key)):
        raise Unauthorized("No node has this API key. Ask your administrator for the right one.")
    connection = await session.connection()
    await repository.saw(connection, node.id, utc_now())
    await sessions.forget_oldest_of_node(connection, node.id)
    refresh = token_key(context).issue(node.id, "node", "refresh", None)
    await sessions.remember(connection, node.id, sessions.new_family(), refresh)
    return Tokens("node", node.id, _node_access(context, node.id), refresh.text)


async def refresh_node(context: Context, claims: IdentityClaims, presented: str) -> Tokens | None:
    """A new access token; the refresh token stays the same, because older nodes never take a new one."""
    async with context.database.reading() as connection:
        good = await sessions.node_may_refresh(connection, claims.sub, claims.jti)
    return Tokens("node", claims.sub, _node_access(context, claims.sub), presented) if good else None


async def refresh_user(context: Context, session: AsyncSession, claims: IdentityClaims) -> Tokens | None:
    """A new pair of tokens for a refresh token that was not used before, or a moment ago."""
    connection = await session.connection()
    outcome, family = await sessions.use(connection, claims.sub, claims.jti, utc_now())
    if outcome is sessions.Use.ACCEPTED:
        return await _user_tokens(context, connection, claims.sub, family)
    if outcome is sessions.Use.REUSED:
        log.warning("a refresh token came twice; all from the same sign-in are void now", user_id=claims.sub)
        await record(session, None, "refresh_token_reused", "user", claims.sub)
    return None


async def container_token(
    context: Context, connection: AsyncConnection, caller: NodeCaller, wanted: ContainerRequest
) -> str:
    """A token for an algorithm of a task that is still open. It does not expire, but is refused once the task ends."""
    task = await repository.task_for_container(connection, wanted.task_id)
    if task is None:
        raise BadRequest(f"There is no task {wanted.task_id}.", {"task_id": "unknown"})
    if task.image != wanted.image:
        raise Unauthorized(f"Task {task.id} is for another image than {wanted.image!r}.")
    if task.collaboration_id != caller.collaboration_id:
        raise Unauthorized(f"Task {task.id} belongs to another collaboration than this node.")
    if not task.is_open:
        raise BadRequest(f"Task {task.id} is complete; no algorithm may start for it any more.")
    subject = ContainerSubject(
        node_id=caller.id,
        organization_id=caller.organization_id,
        collaboration_id=caller.collaboration_id,
        task_id=task.id,
        image=task.image,
        database=task.database,
    )
    return token_key(context).issue(subject, "container", "access", None).text


def token_key(context: Context) -> TokenKey:
    """The key of the contract's tokens, which this service always has."""
    assert context.tokens is not None
    return context.tokens


def _node_access(context: Context, node_id: int) -> str:
    return token_key(context).issue(node_id, "node", "access", _access_lifetime(context.settings)).text


def _access_lifetime(settings: Settings) -> timedelta:
    return timedelta(hours=settings.access_token_hours)


def _window(settings: Settings) -> timedelta:
    return timedelta(minutes=settings.inactivation_minutes)
