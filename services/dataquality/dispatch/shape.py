"""Whether a text looks encrypted: three base64 segments, `key$iv$ciphertext`. The server never looks further.

What an encrypted collaboration is given in the clear is most likely a client that was set up without its key; the
operator decides what then happens (`encryption_shape_check`).
"""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Iterable

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.errors import Refused
from dataquality.core.settings import ShapeCheck
from dataquality.model import Collaboration

log = structlog.stdlib.get_logger(__name__)
Texts = Iterable[tuple[str, str | None]]
"""What is given, each text with the name of its field. An empty one tells nothing."""
_IV_BYTES = 16
_LONGEST_KEY = 8192
# A ciphertext may have hundreds of megabytes: its two ends tell base64 from other text well enough.
_END = 4096
_ALPHABET = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def looks_encrypted(text: str) -> bool:
    """True for the form that all clients give to what they encrypt; costs the same for a long text as for a short."""
    key, _, rest = text[: _LONGEST_KEY + 64].partition("$")
    iv, separator, _ = rest.partition("$")
    start = len(key) + len(iv) + 2
    return bool(separator) and _size(key) > 0 and _size(iv) == _IV_BYTES and _is_base64(text, start)


def _size(segment: str) -> int:
    try:
        return len(base64.b64decode(segment, validate=True))
    except (binascii.Error, ValueError):
        return -1


def _is_base64(text: str, start: int) -> bool:
    if (len(text) - start) % 4:
        return False
    head, tail = text[start : start + _END], text[max(start, len(text) - _END) :]
    is_short = len(text) - start <= _END
    return _ALPHABET.fullmatch(tail) is not None and (is_short or _ALPHABET.fullmatch(head) is not None)


Check = Callable[[AsyncConnection, int, Texts], Awaitable[None]]


async def _off(_connection: AsyncConnection, _collaboration_id: int, _texts: Texts) -> None:
    """Let everything through."""


async def _warn(connection: AsyncConnection, collaboration_id: int, texts: Texts) -> None:
    if fields := await _in_the_clear(connection, collaboration_id, texts):
        log.warning("not encrypted in an encrypted collaboration", collaboration=collaboration_id, fields=fields)


async def _refuse(connection: AsyncConnection, collaboration_id: int, texts: Texts) -> None:
    if fields := await _in_the_clear(connection, collaboration_id, texts):
        problem = "does not look encrypted: it must read key$iv$ciphertext, each in base64"
        raise Refused(
            f"The collaboration is encrypted, but this is not: {', '.join(fields)}. "
            "Set up encryption in the client or the node that sent it.",
            dict.fromkeys(fields, problem),
        )


async def _in_the_clear(connection: AsyncConnection, collaboration_id: int, texts: Texts) -> list[str]:
    """The fields that do not look encrypted though they must be. Asks the database only where there are any."""
    fields = [field for field, text in texts if text and not looks_encrypted(text)]
    if not fields:
        return []
    encrypted = select(Collaboration.encrypted).where(Collaboration.id == collaboration_id)
    return fields if await connection.scalar(encrypted) else []


CHECKS: dict[ShapeCheck, Check] = {"off": _off, "warn": _warn, "refuse": _refuse}
"""What is done with a text in the clear, by the operator's setting."""
