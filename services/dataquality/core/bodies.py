"""Bodies of requests: how large they may be, how fast they must arrive, and who may have large ones in memory.

Each is received here before a handler runs. Without a valid token it is small and has a few seconds
(`pending_bodies`); with one it may take its time, as long as it keeps coming.

The caller of a large body is identified before any of it is read, as a handler does it. An identity has one large body
at a time (the next waits unread), which must arrive at a least rate. Large texts in answers take room of the same
budget (`room_of_answer`).
"""

import re
from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from dataquality.core.addresses import address_of, owner_of
from dataquality.core.body_reading import KIB, MIB, Blocks, LeastRate, read
from dataquality.core.body_room import Budget, Intake
from dataquality.core.callers import identify, require_access
from dataquality.core.context import Context
from dataquality.core.errors import ApiError, BadRequest, TooLarge, Unavailable
from dataquality.core.pending_bodies import PendingBodies
from dataquality.core.tokens import Claims, ContainerClaims
from dataquality.core.turns import Turns

SMALL = MIB
"""Bytes of a body up to which nobody counts: the most for all routes but those that take large bodies."""
_WITHOUT_TOKEN = 64 * KIB
"""The most without a valid token: a sign-in takes a few hundred bytes."""
_SECONDS_WITHOUT_TOKEN = 10.0
_PENDING_PER_ADDRESS = 16
_PENDING = 256
_SMALL_AT_ONCE = 16
_SMALL_OF_ONE = 512
"""Small bodies of one identity that arrive at once (16) or wait for that."""
_MOST_OF_ONE = 64
"""Large bodies of one identity: one is worked on, the others wait."""
_INTAKES = 2
"""How many bodies of the largest size may be in memory while they arrive, beside those that are worked on: however
slowly one arrives, there is room for another."""
_ROOM = "room"
Refuse = Callable[[ApiError], Response]
Room = Callable[[int], AbstractAsyncContextManager[None]]
"""Waits until so many bytes may be in memory, and holds them until its block ends."""


class BodyMiddleware:
    """Answers 413 to what is too large and 408 to what is too slow; comes after the token is read.

    `large` are the paths that take large bodies (of at most `max_body_mib`).
    """

    def __init__(self, app: Any, context: Context, large: re.Pattern[str] | None, refuse: Refuse) -> None:
        self._app = app
        self._context = context
        self._large = large
        self._refuse = refuse
        most, settings = context.settings.max_body_mib * MIB, context.settings
        self._budget = Budget(most)
        self._intake = Intake(_INTAKES * most)
        self._turns = Turns(1, _MOST_OF_ONE)
        self._small_turns = Turns(_SMALL_AT_ONCE, _SMALL_OF_ONE)
        self._pending = PendingBodies(_SECONDS_WITHOUT_TOKEN, _PENDING_PER_ADDRESS, _PENDING)
        self._rate = LeastRate(settings.body_rate_kib, settings.body_window_seconds)

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
        if length == 0:
            await self._app(scope, receive, send)
        elif most == SMALL or (length is not None and length <= SMALL):
            blocks = await self._small_body(scope, receive, is_large_path=most > SMALL)
            await self._app(scope, _Received(blocks, receive), send)
        else:
            async with self._turns.of(await self._identity(scope)):
                await self._large_body(most if length is None else length, scope, receive, send)

    async def _small_body(self, scope: Any, receive: Any, *, is_large_path: bool) -> Blocks:
        claims = scope["state"]["claims"]
        if scope["path"].startswith("/internal/"):
            return await self._read_small(receive, SMALL)
        if not isinstance(claims, ApiError):
            async with self._small_turns.of(_key(claims)):
                return await self._read_small(receive, SMALL)
        if is_large_path:
            raise claims
        if (_length(scope) or 0) > _WITHOUT_TOKEN:
            raise _too_large(_WITHOUT_TOKEN)
        async with self._pending.one_of(self._address(scope)):
            return await self._read_small(receive, _WITHOUT_TOKEN)

    async def _read_small(self, receive: Any, most: int) -> Blocks:
        return await read(receive, most, self._rate, partial(_too_large, most), _no_room)

    def _address(self, scope: Any) -> str | None:
        """None where callers cannot be told apart."""
        address = address_of(Request(scope), self._context.settings.trusted_proxies)
        return owner_of(address) if address else None

    async def _large_body(self, most: int, scope: Any, receive: Any, send: Any) -> None:
        async with AsyncExitStack() as room:
            with self._intake.arrival(most) as arrival:
                blocks = await read(receive, most, self._rate, partial(_too_large, most), arrival.grow)
                await room.enter_async_context(self._budget.room_for(blocks.size))
            scope["state"][_ROOM] = self._budget.room_beyond
            await self._app(scope, _Received(blocks, receive), send)

    def _most(self, scope: Any) -> int:
        is_large = scope["method"] in ("POST", "PATCH") and self._large and self._large.fullmatch(scope["path"])
        return self._budget.size if is_large else SMALL

    async def _identity(self, scope: Any) -> Hashable:
        """Who calls, if they may still call: nobody else takes the room of others."""
        claims = require_access(scope["state"]["claims"])
        try:
            await identify(self._context, claims)
        except SQLAlchemyError as error:
            raise Unavailable(
                "The database does not answer at the moment. Nothing was changed; try again soon."
            ) from error
        return _key(claims)


def room_of_answer(request: Request) -> Room:
    """The room that large texts in the answer to this request are to take."""
    return request.scope["state"][_ROOM]


def _key(claims: Claims) -> Hashable:
    if isinstance(claims, ContainerClaims):
        return claims.client_type, claims.sub.node_id, claims.sub.task_id
    return claims.client_type, claims.sub


class _Received:
    """A body that was read already, as the application receives it."""

    def __init__(self, blocks: Blocks, receive: Any) -> None:
        self._blocks: Blocks | None = blocks
        self._receive = receive

    async def __call__(self) -> Any:
        if self._blocks is None:
            return await self._receive()
        block, more = self._blocks.pop()
        if not more:
            self._blocks = None
        return {"type": "http.request", "body": block, "more_body": more}


async def _no_room(_size: int) -> None:
    """What is small takes no room."""


def _length(scope: Any) -> int | None:
    """Bytes of the body, 0 where there is none; None where only its end will tell."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return None
    try:
        return int(headers.get(b"content-length", b"0"))
    except ValueError as error:
        raise BadRequest("The Content-Length is not a number.") from error


def _too_large(most: int) -> TooLarge:
    if most == _WITHOUT_TOKEN:
        return TooLarge(f"The body is larger than the {most // KIB} KiB that a request without a valid token may have.")
    text = f"The body is larger than the {most // MIB} MiB that this address takes."
    return TooLarge(text if most == SMALL else f"{text} The server's key max_body_mib sets how many.")
