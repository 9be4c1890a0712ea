"""What recovery does.

Asking tells nothing: the answer, the statements and the least time are the same whether there is such a user or not.
"""

import time
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.auth import letters, notices, twofactor
from dataquality.auth.limits import Attempt
from dataquality.auth.pace import wait_out
from dataquality.auth.parts import AuthParts
from dataquality.auth.password.policy import require_good
from dataquality.auth.password.repository import forget_first_password, replace
from dataquality.auth.recovery import repository, tokens
from dataquality.auth.recovery.schemas import Lost, PasswordReset, TwoFactorLost, TwoFactorReset
from dataquality.auth.recovery.tokens import Purpose, ResetClaims
from dataquality.auth.token import lock, sessions
from dataquality.core.addresses import Address
from dataquality.core.audit import record
from dataquality.core.context import Context
from dataquality.core.first_password import is_closed_to
from dataquality.core.mail import Addressee, append_mail
from dataquality.core.session import after_commit
from dataquality.model import utc_now


@dataclass(frozen=True)
class NewFactor:
    """A second factor, shown this once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True)
class Recovery:
    """One request for recovery."""

    context: Context
    parts: AuthParts
    session: AsyncSession
    address: Address | None

    async def lost_password(self, lost: Lost) -> None:
        """Mail a reset token to the user named, if there is one. Raises TooManyRequests where too many were asked."""
        after_commit(self.session, partial(wait_out, time.monotonic()))
        # Every request counts: each may fill somebody's mailbox.
        async with self.parts.limits.place(Attempt(self.address, kind="recovery")) as place:
            place.failed = True
        await self._mail_token(Purpose.PASSWORD, letters.password_recovery, lost, await self._named(lost))

    async def lost_factor(self, lost: TwoFactorLost) -> bool:
        """The same for a second factor; False for a wrong password, which counts as a failed sign-in.

        The session must be committed all the same.
        """
        after_commit(self.session, partial(wait_out, time.monotonic()))
        # By what was given: counting by the user would tell whose an e-mail is.
        async with self.parts.limits.place(Attempt(self.address, lost.username or lost.email)) as place:
            user = await self._named(lost)
            place.failed = not await self._is_right(user, lost.password)
        if place.failed:
            return False
        await self._mail_token(Purpose.TWO_FACTOR, letters.two_factor_recovery, lost, user)
        return True

    async def reset_password(self, wanted: PasswordReset) -> None:
        """Set a new password, which ends the lock and every sign-in.

        Raises BadRequest, or Unauthorized for an expired token.
        """
        claims = tokens.read(self.parts.reset_key, Purpose.PASSWORD, wanted.reset_token)
        user = await self._owner(claims)
        require_good(wanted.password, user.username, "password")
        new = await self.parts.passwords.hash(wanted.password)
        connection = await self._use_up(claims)
        if not await replace(connection, user.id, user.password, new):
            raise tokens.void()
        await forget_first_password(connection, user.id)
        await sessions.end_others(connection, user.id, None, utc_now())
        await record(self.session, None, "password_reset", "user", user.id)
        await notices.tell(self.session, self.context.settings, user.id, letters.password_changed)

    async def reset_factor(self, wanted: TwoFactorReset) -> NewFactor:
        """Set a new second factor, which ends every sign-in. Raises as `reset_password`."""
        claims = tokens.read(self.parts.reset_key, Purpose.TWO_FACTOR, wanted.reset_token)
        user = await self._owner(claims)
        connection = await self._use_up(claims)
        secret = twofactor.new_secret()
        if not await repository.replace_factor(connection, user, secret):
            raise tokens.void()
        await sessions.end_others(connection, user.id, None, utc_now())
        await record(self.session, None, "two_factor_reset", "user", user.id)
        await notices.tell(self.session, self.context.settings, user.id, letters.two_factor_changed)
        return NewFactor(secret, twofactor.enrolment_uri(secret, user.username))

    async def _named(self, lost: Lost) -> Any | None:
        async with self.context.database.reading() as connection:
            return await repository.user_named(connection, lost)

    async def _by_id(self, user_id: int) -> Any | None:
        async with self.context.database.reading() as connection:
            return await repository.user_by_id(connection, user_id)

    async def _is_right(self, user: Any | None, password: str) -> bool:
        # As at sign-in: a check each time, of a hash that nothing fits where the user is unknown or locked.
        settings = self.context.settings
        if user is None or lock.is_locked(user, settings):
            return await self.parts.passwords.verify(self.parts.no_password, password)
        checked = self.parts.no_password if is_closed_to(settings, password) else user.password
        if await self.parts.passwords.verify(checked, password):
            # Passwords that were guessed at the same moment may have locked the account meanwhile.
            now = await self._by_id(user.id)
            return now is not None and not lock.is_locked(now, settings)
        await lock.count_failure(self.session, user.id, settings)
        return False

    async def _mail_token(
        self, purpose: Purpose, make_letter: letters.TokenLetter, lost: Lost, user: Any | None
    ) -> None:
        settings = self.context.settings
        if settings.smtp is None:
            return
        lifetime = timedelta(minutes=settings.email_token_minutes)
        token = tokens.issue(self.parts.reset_key, purpose, user, lifetime)
        name = user.username if user else lost.username or lost.email or ""
        addressee = Addressee(user.id, user.email) if user else None
        await append_mail(self.session, addressee, make_letter(settings, name, token))

    async def _owner(self, claims: ResetClaims) -> Any:
        """The user's row, if all is still as it was when the token was made."""
        user = await self._by_id(claims.user_id)
        if user is None or tokens.fingerprint(self.parts.reset_key, user) != claims.fingerprint:
            raise tokens.void()
        return user

    async def _use_up(self, claims: ResetClaims) -> AsyncConnection:
        connection = await self.session.connection()
        await sessions.lock_owner(connection, claims.user_id)
        if not await repository.use_up(connection, claims.jti, claims.expires_at, utc_now()):
            raise tokens.void()
        return connection
