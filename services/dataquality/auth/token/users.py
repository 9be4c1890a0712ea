"""A user signs in: limits, the password, the lock, and the second factor where the server asks for one.

A refusal is an outcome and not an exception: what it counted must be committed.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.auth import letters, notices, twofactor
from dataquality.auth.limits import Attempt
from dataquality.auth.pace import wait_out
from dataquality.auth.parts import AuthParts
from dataquality.auth.token import lock, repository, sessions
from dataquality.auth.token.repository import UsedCode
from dataquality.auth.token.schemas import UserLogin
from dataquality.auth.token.tokens import Tokens, access_lifetime, token_key
from dataquality.core.addresses import Address
from dataquality.core.audit import record
from dataquality.core.context import Context
from dataquality.core.first_password import is_closed_to
from dataquality.core.passwords import needs_rehash
from dataquality.core.session import after_commit
from dataquality.model import utc_now

_ATTEMPTS = 3


@dataclass(frozen=True)
class Refused:
    """Not signed in."""

    msg: str


@dataclass(frozen=True)
class CodeWanted:
    """The password was right, and a code is needed as well."""


@dataclass(frozen=True)
class Enrolment:
    """The password was right, and this is the user's new second factor, shown this once."""

    secret: str
    uri: str


Outcome = Tokens | CodeWanted | Enrolment | Refused
_WRONG = Refused("Wrong username or password. After too many wrong ones, wait before you try again.")
_WRONG_CODE = Refused("Wrong code, or one that was used already. Wait for the next, and see that your clock is right.")


async def sign_in(
    context: Context, parts: AuthParts, session: AsyncSession, login: UserLogin, address: Address | None
) -> Outcome:
    """Tokens, or what stands in their way. Raises TooManyRequests where there were too many failures before."""
    started = time.monotonic()
    async with parts.limits.place(Attempt(address, login.username)) as place:
        outcome = await _SignIn(context, parts, session, login, address).outcome()
        place.failed = isinstance(outcome, Refused)
    if isinstance(outcome, Refused):
        after_commit(session, partial(wait_out, started))
    return outcome


async def tokens_of(context: Context, connection: AsyncConnection, user_id: int, family: str) -> Tokens:
    """A new pair of tokens of one sign-in's family."""
    settings, key = context.settings, token_key(context)
    roles = await repository.role_names(connection, user_id)
    refresh_lifetime = timedelta(hours=settings.refresh_token_hours)
    refresh = key.issue(user_id, "user", "refresh", refresh_lifetime, roles, session=family)
    access = key.issue(user_id, "user", "access", access_lifetime(settings), roles, session=family)
    await sessions.remember(connection, user_id, family, refresh, access.expires_at)
    return Tokens("user", user_id, access.text, refresh.text)


@dataclass(frozen=True)
class _SignIn:
    """One attempt of one user."""

    context: Context
    parts: AuthParts
    session: AsyncSession
    login: UserLogin
    address: Address | None

    async def outcome(self) -> Outcome:
        """Check, and check again if what was read changes meanwhile (another sign-in upgraded the hash, say)."""
        for _ in range(_ATTEMPTS):
            if outcome := await self._once():
                return outcome
        return _WRONG

    async def _once(self) -> Outcome | None:
        # The password is checked while no connection is held: hashing takes long, connections are few.
        async with self.context.database.reading() as connection:
            user = await repository.user_by_name(connection, self.login.username)
        is_locked = user is not None and lock.is_locked(user, self.context.settings)
        is_closed = is_closed_to(self.context.settings, self.login.password)
        checked = self.parts.no_password if user is None or is_locked or is_closed else user.password
        fits = await self.parts.passwords.verify(checked, self.login.password)
        if user is None or is_locked:
            return _WRONG
        if not fits:
            return await self._fail(user, _WRONG)
        if self.context.settings.two_factor_auth:
            return await self._second_factor(user)
        return await self._accept(user, None)

    async def _second_factor(self, user: Any) -> Outcome | None:
        if user.otp_secret is None:
            return await self._enrol(user)
        code = self.login.code
        if not code:
            return _WRONG if await self._is_locked_by_now(user) else CodeWanted()
        counter = twofactor.counter_of(user.otp_secret, code, utc_now())
        if counter is None or counter <= (user.otp_last_counter or 0):
            return await self._fail(user, _WRONG_CODE)
        return await self._accept(user, UsedCode(user.otp_secret, counter))

    async def _enrol(self, user: Any) -> Enrolment | None:
        secret, locked = twofactor.new_secret(), lock.locked(self.context.settings)
        if not await repository.enrol(await self.session.connection(), user.id, user.password, locked, secret):
            return None
        await record(self.session, None, "two_factor_enrolled", "user", user.id)
        await notices.tell(self.session, self.context.settings, user.id, letters.two_factor_changed)
        return Enrolment(secret, twofactor.enrolment_uri(secret, self.login.username))

    async def _accept(self, user: Any, code: UsedCode | None) -> Tokens | None:
        hashed = user.password
        if needs_rehash(hashed):
            hashed = await self.parts.passwords.hash(self.login.password)
        connection = await self.session.connection()
        locked = lock.locked(self.context.settings)
        if not await repository.accept_user(connection, user.id, user.password, hashed, locked, code):
            return None
        await repository.saw(connection, user.id, utc_now(), self.address)
        return await tokens_of(self.context, connection, user.id, sessions.new_family())

    async def _is_locked_by_now(self, user: Any) -> bool:
        # Passwords that were guessed at the same moment may have locked the account: then nothing is told of this one.
        async with self.context.database.reading() as connection:
            now = await repository.user_by_id(connection, user.id)
        return now is None or lock.is_locked(now, self.context.settings)

    async def _fail(self, user: Any, refused: Refused) -> Refused:
        await lock.count_failure(self.session, user.id, self.context.settings)
        return refused
