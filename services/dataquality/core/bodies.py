"""Bodies of requests: how large they may be, and how many bytes of large ones are in memory at once.

A large body is not read before there is room for it. Whoever finds none waits, first come first served: the sender is
held up by its own connection, nothing is refused and nothing is kept. The room is given back with the answer. Large
texts in answers take room of the same budget (`room_of_answer`).
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dataquality.core.errors import ApiError, BadRequest, TooLarge, TooSlow

MIB = 1 << 20
SMALL = MIB
"""Bytes of a body up to which nobody counts: the most for all routes but those that take large bodies."""
_SECONDS_BETWEEN_CHUNKS = 30
_ROOM = "room"
Refuse = Callable[[ApiError], Response]
Room = Callable[[int], AbstractAsyncContextManager[None]]
"""Waits until so many bytes may be in memory, and holds them until its block ends."""


class Budget:
    """So many bytes may be in memory at once."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._beyond = asyncio.Lock()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def room_for(self, size: int) -> AsyncGenerator[None]:
        """Wait for room, and hold it until the block ends. What is larger than the budget has all of it."""
        size = min(size, self.size)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self._admit()
        try:
            await turn
            yield
        finally:
            self._leave(size, turn)

    @asynccontextmanager
    async def room_beyond(self, _size: int) -> AsyncGenerator[None]:
        """Room for one who holds some and would wait for itself: beyond the budget, but one at a time."""
        async with self._beyond:
            yield

    def _admit(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            self._free -= size
            if turn.cancelled():
                self._free += size
            else:
                turn.set_result(None)

    def _leave(self, size: int, turn: "asyncio.Future[None]") -> None:
        if turn.done() and not turn.cancelled():
            self._free += size
        self._admit()


class BodyMiddleware:
    """Answers 413 to what is too large; reads a large body when there is room for it. Comes after the token is read.

    `large` are the paths that take large bodies (of at most the budget's size).
    """

    def __init__(self, app: Any, budget: Budget, large: re.Pattern[str] | None, refuse: Refuse) -> None:
        self._app = app
        self._budget = budget
        self._large = large
        self._refuse = refuse

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._admit(scope, receive, send)
        except ApiError as error:
            await self._refuse(error)(scope, receive, send)

    async def _admit(self, scope: Any, receive: Any, send: Any) -> None:
        length, most = _length(scope), self._most(scope)
        scope["state"][_ROOM] = self._budget.room_for
        if length is not None and length > most:
            raise _too_large(most)
        if length is not None and length <= SMALL:
            await self._app(scope, receive, send)
        elif most == SMALL:
            await self._app(scope, _Whole(await _read(receive, most), receive), send)
        else:
            _require_token(scope)
            async with self._budget.room_for(most if length is None else length):
                scope["state"][_ROOM] = self._budget.room_beyond
                await self._app(scope, _Whole(await _read(receive, most), receive), send)

    def _most(self, scope: Any) -> int:
        is_large = scope["method"] in ("POST", "PATCH") and self._large and self._large.fullmatch(scope["path"])
        return self._budget.size if is_large else SMALL


def room_of_answer(request: Request) -> Room:
    """The room that large texts in the answer to this request are to take."""
    return request.scope["state"][_ROOM]


class _Whole:
    """A body that was read already, as the application receives it."""

    def __init__(self, body: bytes, receive: Any) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Any:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _length(scope: Any) -> int | None:
    """Bytes of the body, 0 where there is none; None where only its end will tell."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return None
    try:
        return int(headers.get(b"content-length", b"0"))
    except ValueError as error:
        raise BadRequest("The Content-Length is not a number.") from error


def _require_token(scope: Any) -> None:
    # Nobody who is not signed in takes the room of others.
    claims = scope["state"]["claims"]
    if isinstance(claims, ApiError):
        raise claims


async def _read(receive: Any, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        try:
            message = await asyncio.wait_for(receive(), _SECONDS_BETWEEN_CHUNKS)
        except TimeoutError as error:
            raise TooSlow("The rest of the body did not come. Send the request again.") from error
        if message["type"] == "http.disconnect":
            raise BadRequest("The body broke off before its end.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > most:
            raise _too_large(most)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(most: int) -> TooLarge:
    text = f"The body is larger than the {most // MIB} MiB that this address takes."
    return TooLarge(text if most == SMALL else f"{text} The server's key max_body_mib sets how many.")
