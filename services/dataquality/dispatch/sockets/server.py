"""python-socketio's server, typed: what this service needs of it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, cast

import socketio  # pyright: ignore[reportMissingTypeStubs]
import structlog
from redis.exceptions import RedisError

from dataquality.core.context import Context
from dataquality.core.websockets import MESSAGE_BYTES
from dataquality.dispatch.sockets.connections import Connection, Connections
from dataquality.dispatch.sockets.gate import Gate
from dataquality.dispatch.sockets.managers import NAMESPACE, Listener

log = structlog.stdlib.get_logger(__name__)
Handler = Callable[..., Awaitable[Any]]
_RESERVED = ("connect", "disconnect")
_PING_TIMEOUT = 60
_WATCH_SECONDS = 1
_REPORT_SECONDS = 20


class _Server(socketio.AsyncServer):  # pyright: ignore[reportUntypedBaseClass]
    """Takes only events that clients may send: the library would also take "connect" and "disconnect" from them."""

    connections: Connections

    async def _handle_eio_connect(self, eio_sid: Any, environ: Any) -> None:
        self.connections.name(eio_sid, environ)
        await super()._handle_eio_connect(eio_sid, environ)  # pyright: ignore

    async def _handle_eio_message(self, eio_sid: Any, data: Any) -> None:
        try:
            await super()._handle_eio_message(eio_sid, data)  # pyright: ignore
        except Exception as error:
            # The library would log the traceback of each such packet, and take the next one.
            log.debug("a malformed packet ends a connection", error=type(error).__name__)
            self.connections.refusals["malformed_packet"] += 1
            await self.drop(eio_sid)

    async def _handle_event(self, eio_sid: Any, namespace: Any, id: Any, data: Any) -> None:
        if isinstance(data, list) and data and isinstance(data[0], str) and data[0] not in _RESERVED:
            await super()._handle_event(eio_sid, namespace, id, data)  # pyright: ignore

    async def _handle_eio_disconnect(self, eio_sid: Any, reason: Any) -> None:
        self.connections.end(eio_sid)
        await super()._handle_eio_disconnect(eio_sid, reason)  # pyright: ignore
        # A poll that still waits would hang for over a minute: for the client's end, and for ours.
        connection = cast(Any, self).eio.sockets.get(eio_sid)
        if connection is not None:
            await connection.queue.put(None)

    async def drop(self, eio_sid: str) -> None:
        """Break a connection, so that the client connects again; a polite end would keep it away for good."""
        connection = cast(Any, self).eio.sockets.get(eio_sid)
        if connection is not None:
            # Nothing more to send: the writer of a web socket ends and closes it, a poll is answered.
            await connection.queue.put(None)
            await connection.close(wait=False, abort=True)


def _numbered_ids(number: int, ids: Callable[[], str]) -> Callable[[], str]:
    """The gateway reads from a connection's id which instance holds it: what is not a web socket is many requests."""
    return lambda: f"{number}-{ids()}"


class SocketServer:
    """The sockets of this instance, on namespace `/tasks`."""

    def __init__(self, context: Context, on_subscribed: Callable[[], Awaitable[None]]) -> None:
        self._connections = Connections(context)
        self._listener: Any = Listener(context.redis, on_subscribed)
        self._server: Any = _Server(
            async_mode="asgi",
            client_manager=self._listener,
            # Events from the connect handler reach a client that knows that it is connected.
            always_connect=True,
            namespaces=[NAMESPACE],
            cors_allowed_origins="*",
            ping_timeout=_PING_TIMEOUT,
            http_compression=False,
            max_http_buffer_size=MESSAGE_BYTES,
        )
        self._server.connections = self._connections
        self._server.eio.generate_id = _numbered_ids(context.settings.number, self._server.eio.generate_id)

    def on(self, event: str, handler: Handler) -> None:
        """Call `handler(sid, ...)` for this event of a client."""
        self._server.on(event, handler, namespace=NAMESPACE)

    @property
    def heard(self) -> int:
        """Counts what came over the channel that carries events to the instances."""
        return self._listener.heard

    @property
    def is_listening(self) -> bool:
        """True while that channel shows signs of life."""
        return self._listener.is_listening

    def wrap(self, app: Any) -> Any:
        """An ASGI application that serves `/socket.io/` and leaves the rest to `app`."""
        sockets: Any = socketio.ASGIApp(self._server)
        return Gate(app, sockets, self._connections, self._server.drop)

    async def start(self) -> None:
        """Listen to the channel: from now on, and not from the first client on, as the library would."""
        self._server.manager_initialized = True
        self._listener.initialize()

    async def stop(self) -> None:
        """Hang up on everybody, so that they look for another instance, and listen no more."""
        for eio_sid in list(self._server.eio.sockets):
            await self._server.drop(eio_sid)
        self._listener.thread.cancel()
        await self._server.shutdown()

    async def tell(self, sid: str, event: str, *arguments: Any) -> None:
        """Emit to one client of this instance."""
        await self._server.emit(event, arguments, to=sid, namespace=NAMESPACE, ignore_queue=True)

    async def hint(self, room: str, event: str, *arguments: Any, skip: str | None = None) -> None:
        """Emit to a room on all instances, as well as may be: what must arrive goes through the outbox."""
        try:
            await self._server.emit(event, arguments, room=room, namespace=NAMESPACE, skip_sid=skip)
        except (RedisError, OSError) as error:
            log.info("other instances were not told", event_name=event, error=type(error).__name__)

    async def join(self, sid: str, room: str) -> None:
        """Put a client of this instance into a room; nothing when it has gone meanwhile."""
        try:
            await self._server.enter_room(sid, room, namespace=NAMESPACE)
        except (ValueError, KeyError):
            log.debug("client went while it was let in", sid=sid)

    async def leave(self, sid: str, room: str) -> None:
        """Take a client of this instance out of a room; nothing when it has gone meanwhile."""
        try:
            await self._server.leave_room(sid, room, namespace=NAMESPACE)
        except (ValueError, KeyError):
            log.debug("client went while it changed rooms", sid=sid)

    def connection(self, sid: str) -> Connection | None:
        """What carries a client of this instance; None when it has gone."""
        return self._connections.get(self._listener.eio_sid_from_sid(sid, NAMESPACE))

    async def watch(self) -> None:
        """End connections that do not sign in, for ever: at the level of Engine.IO, whatever they have joined."""
        for second in itertools.count(1):
            await asyncio.sleep(_WATCH_SECONDS)
            for connection in self._connections.overdue():
                if connection.eio_sid is None:
                    connection.abort()
                else:
                    await self._server.drop(connection.eio_sid)
                    self._connections.end(connection.eio_sid)
            self._connections.abort_ended()
            if second % _REPORT_SECONDS == 0:
                self._connections.report()

    def is_here(self, sid: str) -> bool:
        """True while the client is connected to this instance."""
        return bool(self._listener.is_connected(sid, NAMESPACE))

    async def hang_up(self, sid: str) -> None:
        """Break the connection, so that the client connects anew; a polite end would keep it away for good."""
        eio_sid = self._listener.eio_sid_from_sid(sid, NAMESPACE)
        if eio_sid is not None:
            await self._server.drop(eio_sid)
