"""Checks what clients send to `/socket.io/` before the library reads it.

The library keeps the attachments of a binary packet until all have come, however many were announced (the same flaw
as CVE-2026-33151 of socket.io-parser), and logs a traceback for each packet that it does not know. No client of the
contract sends binary packets: a connection that does is ended.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import structlog
from fastapi.responses import JSONResponse

from dataquality.core.websockets import MESSAGE_BYTES
from dataquality.dispatch.sockets.connections import Connection, Connections

log = structlog.stdlib.get_logger(__name__)
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
_TOO_MUCH = "You sent too much. Sign in before you send events, and keep a message below 1 MB."


class _Refused(Exception):
    """What a client sent ends its connection."""


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
        sid = parse_qs(scope["query_string"].decode("latin-1")).get("sid", [""])[0]
        connection = self.connections.get(sid) if sid else self.connections.begin(scope)
        if connection is None:
            # The library answers a POST to a session that has just ended with 500.
            await JSONResponse({"msg": _ENDED, "code": "bad_request"}, 400)(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._web_socket(connection, scope, receive, send)
        elif scope["method"] == "POST":
            await self._post(sid, connection, scope, receive, send)
        else:
            await self.sockets(scope, receive, send)

    async def _web_socket(self, connection: Connection, scope: Any, receive: Any, send: Any) -> None:
        async def checked() -> Any:
            event = await receive()
            if event["type"] == "websocket.receive" and not _PACKET.match(event.get("text") or ""):
                log.info("a packet of a kind that no client sends ends a connection")
                return {"type": "websocket.disconnect", "code": 1003}
            return event

        websocket = scope["state"]["websocket"]
        connection.attach(websocket)
        try:
            await self.sockets(scope, checked, send)
        finally:
            connection.websockets.discard(websocket)

    async def _post(self, sid: str, connection: Connection, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await _read(connection, receive)
        except _Refused as refused:
            log.info("a packet of a kind that no client sends ends a connection")
            await JSONResponse({"msg": str(refused), "code": "bad_request"}, 400)(scope, receive, send)
            await self.drop(sid)
            return
        events = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replayed() -> Any:
            return next(events, None) or await receive()

        await self.sockets(scope, replayed, send)


async def _read(connection: Connection, receive: Any) -> bytes:
    """The body of a POST. Raises `_Refused` where it is too large or holds a packet that no client sends."""
    body, more = bytearray(), True
    while more:
        event = await receive()
        chunk = event.get("body", b"")
        body += chunk
        if len(body) > MESSAGE_BYTES or not connection.spend(len(chunk)):
            raise _Refused(_TOO_MUCH)
        more = event.get("more_body", False)
    packets = bytes(body).split(_SEPARATOR)
    if len(packets) > _PACKETS or not all(_is_packet(packet) for packet in packets):
        raise _Refused(_INVALID)
    return bytes(body)


def _is_packet(data: bytes) -> bool:
    try:
        return _PACKET.match(data.decode()) is not None
    except UnicodeDecodeError:
        return False
