"""The lock on a user's account after too many wrong passwords or codes (configuration: `password_policy`)."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, func, literal
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.auth import letters, notices
from dataquality.auth.token import repository
from dataquality.core.audit import record
from dataquality.core.callers import UserCaller
from dataquality.core.settings import Settings
from dataquality.model import User, utc_now

log = structlog.stdlib.get_logger(__name__)


def is_locked(user: Any, settings: Settings) -> bool:
    """True if the user, of whom a row was read, failed too often of late."""
    failed_at = user.last_failed_login_at
    recent = failed_at is not None and failed_at > _window_start(settings)
    return recent and user.failed_login_attempts >= settings.max_failed_attempts


def locked(settings: Settings) -> ColumnElement[bool]:
    """The same as a condition on the row as it is now."""
    recent = func.coalesce(User.last_failed_login_at > _window_start(settings), literal(False))
    return and_(User.failed_login_attempts >= settings.max_failed_attempts, recent)


async def count_failure(
    session: AsyncSession, user_id: int, settings: Settings, caller: UserCaller | None = None
) -> None:
    """Count a wrong password or code; the session must be committed although the request is refused."""
    now = utc_now()
    failures = await repository.count_failure(await session.connection(), user_id, now, _window_start(settings))
    if failures == settings.max_failed_attempts:
        log.warning("a user is locked after too many failed attempts", user_id=user_id)
        await record(session, caller, "login_locked", "user", user_id, {"failures": failures})
        await notices.tell(session, settings, user_id, letters.account_locked)


def _window_start(settings: Settings) -> datetime:
    return utc_now() - timedelta(minutes=settings.inactivation_minutes)
