"""Changing one's own password."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.auth import letters, notices
from dataquality.auth.limits import Attempt
from dataquality.auth.parts import AuthParts
from dataquality.auth.password import repository
from dataquality.auth.password.policy import require_good
from dataquality.auth.password.schemas import PasswordChange
from dataquality.auth.token import lock, sessions
from dataquality.auth.token.repository import user_by_id
from dataquality.core.addresses import Address
from dataquality.core.audit import record
from dataquality.core.callers import UserCaller
from dataquality.core.context import Context
from dataquality.core.errors import Refused, Unauthorized
from dataquality.model import utc_now


async def change(
    context: Context,
    parts: AuthParts,
    session: AsyncSession,
    caller: UserCaller,
    family: str | None,
    wanted: PasswordChange,
    address: Address | None,
) -> bool:
    """Change it, and end the user's other sign-ins than the one (`family`) that this request comes from.

    False for a wrong current password, which counts as a failed sign-in; the session must be committed all the same.
    """
    user = await with_password(context, parts, session, caller, wanted.current_password, address)
    if user is None:
        return False
    if wanted.new_password == wanted.current_password:
        raise Refused("The new password must differ from the current one.", {"new_password": "must differ"})
    require_good(wanted.new_password, user.username, "new_password")
    new = await parts.passwords.hash(wanted.new_password)
    connection = await session.connection()
    await sessions.lock_owner(connection, caller.id)
    if not await repository.replace(connection, caller.id, user.password, new, lock.locked(context.settings)):
        return False
    await repository.forget_first_password(connection, caller.id)
    await sessions.end_others(connection, caller.id, family, utc_now())
    await record(session, caller, "password_changed", "user", caller.id)
    await notices.tell(session, context.settings, caller.id, letters.password_changed)
    return True


async def with_password(
    context: Context,
    parts: AuthParts,
    session: AsyncSession,
    caller: UserCaller,
    password: str,
    address: Address | None,
) -> Any | None:
    """The caller's row where this is the caller's password; else None, and the session must be committed all the same.

    A wrong one counts as a failed sign-in. Raises TooManyRequests after too many.
    """
    user = await _user(context, caller)
    async with parts.limits.place(Attempt(address, user.username)) as place:
        place.failed = not await _is_right(context, parts, session, caller, user, password)
    return None if place.failed else user


async def _user(context: Context, caller: UserCaller) -> Any:
    async with context.database.reading() as connection:
        user = await user_by_id(connection, caller.id)
    if user is None:
        raise Unauthorized("This user no longer exists.")
    return user


async def _is_right(
    context: Context, parts: AuthParts, session: AsyncSession, caller: UserCaller, user: Any, password: str
) -> bool:
    # Whoever found an open session may not guess the password on it: the lock holds here as well.
    if lock.is_locked(user, context.settings):
        return False
    if await parts.passwords.verify(user.password, password):
        return True
    await lock.count_failure(session, caller.id, context.settings, caller)
    return False
