"""Answers with large texts: the texts are fetched one after another while the answer is sent, each in room of its own.

The document is rendered with a mark in the place of each text; the marks are random, so that no text can hold one.
However much a list of results holds, little of it is in memory at once, and nobody else waits while it is written.

The texts are fetched twice, first to know how long the answer is: nodes pass the headers of an answer on to algorithms
beside a body that is in one piece by then, so it must come with its length and not in chunks (contract, REST, 0.1).
"""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import structlog
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response, StreamingResponse

from dataquality.core.bodies import SMALL, Room

log = structlog.stdlib.get_logger(__name__)
Key = TypeVar("Key")
Load = Callable[[Sequence[Key]], Awaitable[Sequence[str | None]]]
"""Fetches texts, in the order of their keys; None for one that is gone."""

_SLICE = 1 << 20
_SECONDS_BETWEEN_SLICES = 60


@dataclass(frozen=True)
class _Text(Generic[Key]):
    key: Key
    size: int


class LargeTexts(Generic[Key]):
    """The large texts of one answer."""

    def __init__(self, load: Load[Key], room: Room) -> None:
        self._load = load
        self._room = room
        self._token = secrets.token_hex(16)
        self._texts: list[_Text[Key]] = []

    def later(self, key: Key, size: int) -> str:
        """What stands in the document for this text, of `size` bytes, until it is sent."""
        self._texts.append(_Text(key, size))
        return f"{self._token}:{len(self._texts) - 1}"

    def filled(self, response: JSONResponse) -> Response:
        """The same answer with the texts in their places. Without any, it is the same object."""
        if not self._texts:
            return response
        headers = {name: value for name, value in response.headers.items() if name.lower() != "content-length"}
        return _Sliced(partial(self._parts, bytes(response.body)), response.status_code, headers)

    async def _parts(self, document: bytes) -> AsyncGenerator[bytes]:
        # Split by a pattern with a group: pieces of the document and the numbers of texts take turns.
        first, *rest = re.split(rb'"%s:(\d+)"' % self._token.encode(), document)
        yield first
        for batch in _batches([self._texts[int(number)] for number in rest[::2]], rest[1::2]):
            async with self._room(batch.size) if batch.size > SMALL else nullcontext():
                texts = await self._load([text.key for text in batch.texts])
                for text, after in zip(texts, batch.pieces, strict=True):
                    for part in _slices(text):
                        yield part
                    yield after


@dataclass
class _Batch:
    """Texts that are fetched together, and the piece of the document after each."""

    texts: list[_Text[Any]]
    pieces: list[bytes]

    @property
    def size(self) -> int:
        return sum(text.size for text in self.texts)


def _batches(texts: Sequence[_Text[Any]], pieces: Sequence[bytes]) -> Iterator[_Batch]:
    batch = _Batch([], [])
    for text, piece in zip(texts, pieces, strict=True):
        if batch.texts and batch.size + text.size > SMALL:
            yield batch
            batch = _Batch([], [])
        batch.texts.append(text)
        batch.pieces.append(piece)
    if batch.texts:
        yield batch


def _slices(text: str | None) -> Iterator[bytes]:
    """The text as JSON, a little at a time: all of it at once would hold up everybody else, and be there twice."""
    if text is None:
        yield b"null"
        return
    yield b'"'
    for start in range(0, len(text), _SLICE):
        yield json.dumps(text[start : start + _SLICE], ensure_ascii=False)[1:-1].encode()
    yield b'"'


class _Sliced(StreamingResponse):
    media_type = "application/json"

    def __init__(self, parts: Callable[[], AsyncGenerator[bytes]], status: int, headers: dict[str, str]) -> None:
        super().__init__((), status, headers)
        self._parts = parts

    async def stream_response(self, send: Any) -> None:
        length = await _length(self._parts())
        self.headers["content-length"] = str(length)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            await self._send_parts(send, length)
        except (TimeoutError, SQLAlchemyError, _TextChangedError) as error:
            # Without its end the answer is no valid one: the server cuts the connection, and the reader asks again.
            log.warning("a large answer broke off", error=type(error).__name__)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_parts(self, send: Any, length: int) -> None:
        left = length
        # Closed here and now, also when the reader is gone: the room is given back.
        async with aclosing(self._parts()) as parts:
            async for part in parts:
                left -= len(part)
                if left < 0:
                    raise _TextChangedError
                message = {"type": "http.response.body", "body": part, "more_body": True}
                await asyncio.wait_for(send(message), _SECONDS_BETWEEN_SLICES)
        if left:
            raise _TextChangedError


class _TextChangedError(Exception):
    """A text is not as long any more as it was when the answer was measured."""


async def _length(parts: AsyncGenerator[bytes]) -> int:
    """Bytes in all of these."""
    length = 0
    async with aclosing(parts):
        async for part in parts:
            length += len(part)
            # Others have their turn: to write a large text takes a while.
            await asyncio.sleep(0)
    return length
