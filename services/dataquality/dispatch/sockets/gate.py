"""Checks what clients send to `/socket.io/` before the library reads it.

The library keeps the attachments of a binary packet until all have come, however many were announced (the same flaw
as CVE-2026-33151 of socket.io-parser), and logs a traceback for each packet that it does not know. No client of the
contract sends binary packets: a connection that does is ended.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from dataquality.core.app import error_response
from dataquality.core.errors import ApiError, BadRequest, TooSlow
from dataquality.core.websockets import MESSAGE_BYTES
from dataquality.dispatch.sockets.connections import Connection, Connections

_PATH = re.compile(r"/socket\.io(/|\Z)")
_PACKET = re.compile(r"(?:[135]|2probe)\Z|4[0-3]")
"""How packets of clients begin: Engine.IO's close, ping, pong, upgrade; Socket.IO's connect, disconnect, event, ack."""
_SEPARATOR = b"\x1e"
_PACKETS = 16
"""In one POST: the library takes no more."""
_INVALID = (
    "This is not a packet that this server takes from clients. It takes text packets of Socket.IO (connect, "
    "disconnect, event, acknowledgement), and no binary ones."
)
_ENDED = "There is no such session, or it has ended. Connect again."
_BODY_SECONDS = 20
_TOO_SLOW = "The body did not come within 20 s. Connect again."
_TOO_MUCH = "You sent too much. Sign in before you send events, and keep a message below 1 MB."


@dataclass(frozen=True)
class Gate:
    """An ASGI application: `sockets` behind these checks, and `app` for all other addresses."""

    app: Any
    sockets: Any
    connections: Connections
    drop: Callable[[str], Awaitable[None]]
    """Ends the session with this id."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        if scope["type"] == "lifespan" or not _PATH.match(scope["path"]):
            await self.app(scope, receive, send)
            return
        try:
            await self._serve(scope, receive, send)
        except ApiError as error:
            self.connections.refusals[error.code] += 1
            answer = error_response(error.status, error.code, error.msg, headers=error.headers())
            await answer(scope, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        sid = parse_qs(scope["query_string"].decode("latin-1")).get("sid", [""])[0]
        if not sid:
            with self.connections.begin(scope) as connection:
                await self._request(connection, scope, receive, send)
        elif (connection := self.connections.get(sid)) is not None:
            await self._request(connection, scope, receive, send)
        else:
            # The library answers a POST to a session that has just ended with 500.
            raise BadRequest(_ENDED)

    async def _request(self, connection: Connection, scope: Any, receive: Any, send: Any) -> None:
        method = scope.get("method", "websocket")
        if method == "websocket":
            websocket = scope["state"]["websocket"]
            with connection.request(method), connection.attached(websocket):
                await self.sockets(scope, self._checked(receive), send)
        elif method == "POST":
            with connection.request(method):
                await self.sockets(scope, await self._body(connection, receive), send)
        else:
            with connection.request(method):
                await self.sockets(scope, receive, send)

    def _checked(self, receive: Any) -> Any:
        """The `receive` of a WebSocket, for which a packet that no client sends is the end."""

        async def checked() -> Any:
            event = await receive()
            if event["type"] == "websocket.receive" and not _PACKET.match(event.get("text") or ""):
                self.connections.refusals["invalid_packet"] += 1
                return {"type": "websocket.disconnect", "code": 1003}
            return event

        return checked

    async def _body(self, connection: Connection, receive: Any) -> Any:
        """Another `receive`, for a body that was read and checked."""
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _read(connection, receive)
        except (BadRequest, TimeoutError) as error:
            if connection.eio_sid is not None:
                await self.drop(connection.eio_sid)
            raise error if isinstance(error, BadRequest) else TooSlow(_TOO_SLOW) from error
        events = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replayed() -> Any:
            return next(events, None) or await receive()

        return replayed


async def _read(connection: Connection, receive: Any) -> bytes:
    """The body of a POST. Raises BadRequest where it is too large or holds a packet that no client sends."""
    body, more = bytearray(), True
    while more:
        event = await receive()
        chunk = event.get("body", b"")
        body += chunk
        if len(body) > MESSAGE_BYTES or not connection.spend(len(chunk)):
            raise BadRequest(_TOO_MUCH)
        more = event.get("more_body", False)
    packets = bytes(body).split(_SEPARATOR)
    if len(packets) > _PACKETS or not all(_is_packet(packet) for packet in packets):
        raise BadRequest(_INVALID)
    return bytes(body)


def _is_packet(data: bytes) -> bool:
    try:
        return _PACKET.match(data.decode()) is not None
    except UnicodeDecodeError:
        return False
