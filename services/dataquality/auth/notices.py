"""Tells users by mail what happened to their account."""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.mail import Addressee, Letter, append_mail
from dataquality.core.settings import Settings
from dataquality.model import User

LetterMaker = Callable[[Settings, str], Letter]
"""Makes a letter to the user of that name: see `letters`."""
_users = User.__table__


async def tell(session: AsyncSession, settings: Settings, user_id: int, make_letter: LetterMaker) -> None:
    """Have the letter sent once the session is committed; nothing where the server cannot send mail."""
    if settings.smtp is None:  # spares the look at the user
        return
    statement = select(_users.c.username, _users.c.email).where(_users.c.id == user_id)
    user = (await session.execute(statement)).one_or_none()
    if user is not None:
        await tell_at(session, settings, Addressee(user_id, user.email), user.username, make_letter)


async def tell_at(
    session: AsyncSession, settings: Settings, addressee: Addressee, username: str, make_letter: LetterMaker
) -> None:
    """The same, to an address that the user may have no longer."""
    if settings.smtp is not None:
        await append_mail(session, addressee, make_letter(settings, username))
