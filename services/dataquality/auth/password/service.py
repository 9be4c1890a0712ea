"""Changing one's own password."""

from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.auth.parts import AuthParts
from dataquality.auth.password import repository
from dataquality.auth.password.policy import require_good
from dataquality.auth.password.schemas import PasswordChange
from dataquality.auth.token import sessions
from dataquality.core.audit import record
from dataquality.core.callers import UserCaller
from dataquality.core.context import Context
from dataquality.core.errors import BadRequest, Unauthorized
from dataquality.model import utc_now

_WRONG = "The current password is wrong."


async def change(
    context: Context,
    parts: AuthParts,
    session: AsyncSession,
    caller: UserCaller,
    family: str | None,
    wanted: PasswordChange,
) -> None:
    """Change it, and end the user's other sign-ins than the one (`family`) that this request comes from."""
    stored = await _checked_hash(context, parts, caller.id, wanted.current_password)
    if wanted.new_password == wanted.current_password:
        raise BadRequest("The new password must differ from the current one.", {"new_password": "must differ"})
    require_good(wanted.new_password, "new_password")
    new = await parts.passwords.hash(wanted.new_password)
    connection = await session.connection()
    await sessions.lock_owner(connection, caller.id)
    if not await repository.replace(connection, caller.id, stored, new):
        raise Unauthorized(_WRONG)
    await repository.forget_root_warning(connection, caller.id)
    await sessions.revoke_others(connection, caller.id, family, utc_now())
    await record(session, caller, "password_changed", "user", caller.id)


async def _checked_hash(context: Context, parts: AuthParts, user_id: int, password: str) -> str:
    async with context.database.reading() as connection:
        stored = await repository.password_of(connection, user_id)
    if stored is None or not await parts.passwords.verify(stored, password):
        raise Unauthorized(_WRONG)
    return stored
