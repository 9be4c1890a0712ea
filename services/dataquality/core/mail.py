"""Mail is written in the transaction that it tells about; a worker sends it afterwards. Append only.

A request that must not tell whether there is such a user writes a mail without a recipient for one that is unknown.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.contextvars import get_contextvars

from dataquality.model import Mail, User, utc_now

log = structlog.stdlib.get_logger(__name__)
MOST_PER_HOUR = 5
"""Mails of one kind to one user: whoever asks for more fills somebody else's mailbox."""

PLACEHOLDER = "root@domain.ext"
"""The e-mail address that the first user is made with. Nobody of ours reads what is sent there."""

_NOBODY = -1
_users = User.__table__
# One address: no list of them, no name beside it, nothing that could end a line of a mail's head.
_ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\\\"\x00-\x1f\x7f]{1,64}@[^\s@,;:<>()\[\]\\\"\x00-\x1f\x7f]{1,189}")


@dataclass(frozen=True)
class Letter:
    """What a mail says, once as text and once as HTML; of use until `expires_at`. May hold a token."""

    kind: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Addressee:
    """A user to whom mail goes; `email` is what somebody entered."""

    user_id: int
    email: str | None


def is_address(text: str | None) -> bool:
    """True for a text that is the address of one mailbox and nothing else, and no placeholder."""
    return text is not None and text != PLACEHOLDER and _ADDRESS.fullmatch(text) is not None


async def append_mail(session: AsyncSession, addressee: Addressee | None, letter: Letter) -> None:
    """Have the letter sent once the session is committed. The same statements whoever it is for, also for None."""
    user_id = addressee.user_id if addressee else _NOBODY
    # Letters to one user are counted one after another: of many that are asked for at once, no more are sent.
    await session.execute(select(_users.c.id).where(_users.c.id == user_id).with_for_update())
    since = utc_now() - timedelta(hours=1)
    earlier = select(func.count()).where(Mail.user_id == user_id, Mail.kind == letter.kind, Mail.created_at > since)
    reason = _obstacle(addressee, await session.scalar(earlier) or 0)
    if reason is not None:
        log.info("no mail is sent", kind=letter.kind, user_id=addressee and addressee.user_id, reason=reason)
    await session.execute(insert(Mail).values(**_row(addressee, letter, reason)))


def _obstacle(addressee: Addressee | None, earlier: int) -> str | None:
    if addressee is None:
        return "there is no such user"
    if not is_address(addressee.email):
        return "the user has no e-mail address that mail can be sent to"
    return f"the user got {earlier} of this kind within the hour" if earlier >= MOST_PER_HOUR else None


def _row(addressee: Addressee | None, letter: Letter, reason: str | None) -> dict[str, object]:
    sends = reason is None
    return {
        "kind": letter.kind,
        "user_id": addressee.user_id if addressee else None,
        "recipient": addressee.email if addressee and sends else None,
        "subject": letter.subject,
        "text": letter.text if sends else None,
        "html": letter.html if sends else None,
        "request_id": get_contextvars().get("request_id"),
        "expires_at": letter.expires_at,
        "given_up_at": None if sends else utc_now(),
        "last_error": reason,
    }
