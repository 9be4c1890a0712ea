"""A real Socket.IO client that remembers what it hears."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import socketio  # pyright: ignore[reportMissingTypeStubs]

from support.services import Services

_socketio = cast(Any, socketio)
NAMESPACE = "/tasks"
SECONDS = 30


def new_client(**options: Any) -> Any:
    """A client of the library, which is untyped; it is asynchronous."""
    return _socketio.AsyncClient(**options)


def new_blocking_client(**options: Any) -> Any:
    """The same for a thread."""
    return _socketio.Client(**options)


class Socket:
    """A client on `/tasks`. `heard` is all events in order, as name and arguments."""

    def __init__(self, *, reconnection: bool = False) -> None:
        self.heard: list[tuple[str, tuple[Any, ...]]] = []
        self.client = new_client(reconnection=reconnection, reconnection_delay_max=1)
        self.client.on("*", self._hear, namespace=NAMESPACE)
        for event in ("connect", "disconnect"):
            self.client.on(event, self._noting(event), namespace=NAMESPACE)
        self._news = asyncio.Condition()

    async def open(self, services: Services, token: str | None, **arguments: Any) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        await self.client.connect(
            services.addresses["dispatch"], headers=headers, namespaces=[NAMESPACE], wait_timeout=SECONDS, **arguments
        )

    async def close(self) -> None:
        await self.client.disconnect()

    async def drop(self) -> None:
        """Cut the connection without a goodbye, as a line that breaks."""
        connection = self._connection
        if connection.ws is not None:
            connection.ws._response.connection.transport.abort()
        await connection.http.close()
        for task in filter(None, (connection.read_loop_task, connection.write_loop_task)):
            task.cancel()

    @property
    def id(self) -> str:
        """Of the connection."""
        return str(self._connection.sid)

    @property
    def _connection(self) -> Any:
        return self.client.eio

    async def say(self, event: str, *arguments: Any) -> None:
        await self.client.emit(event, arguments, namespace=NAMESPACE)

    async def settle(self) -> None:
        """Wait until the server has let it in, which it tells nobody: from then on no event of its rooms is missed.

        What a client says is taken in order, after its beginning. A ping is what newer nodes send: the server notes
        that a node is one.
        """
        await self.client.call("ping", namespace=NAMESPACE, timeout=SECONDS)

    def arguments(self, event: str) -> list[tuple[Any, ...]]:
        """The arguments of each such event so far."""
        return [arguments for name, arguments in self.heard if name == event]

    async def hears(self, event: str, *arguments: Any, times: int = 1) -> list[tuple[Any, ...]]:
        """Wait for the event (with these arguments, if any are given) to have come that often; all of them."""

        def found() -> list[tuple[Any, ...]]:
            return [one for one in self.arguments(event) if not arguments or one == arguments]

        try:
            async with self._news, asyncio.timeout(SECONDS):
                await self._news.wait_for(lambda: len(found()) >= times)
        except TimeoutError:
            raise AssertionError(f"{event}{arguments} was not heard {times} times: {self.heard}") from None
        return found()

    async def _hear(self, event: str, *arguments: Any) -> None:
        async with self._news:
            self.heard.append((event, arguments))
            self._news.notify_all()

    def _noting(self, event: str) -> Any:
        async def note(*_: Any) -> None:
            await self._hear(event)

        return note


@asynccontextmanager
async def opened(
    services: Services, token: str | None, *, reconnection: bool = False, **arguments: Any
) -> AsyncGenerator[Socket]:
    """A socket that is open for the block."""
    socket = Socket(reconnection=reconnection)
    await socket.open(services, token, **arguments)
    try:
        yield socket
    finally:
        await socket.close()
