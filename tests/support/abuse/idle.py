"""Thousands of idle sockets of signed-in nodes, held by one process."""

import asyncio
import base64
import contextlib
import os
import resource
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

_AT_ONCE = 20
_ATTEMPTS = 10
_JOIN = b"40/tasks,"
_PER_NODE = 50
"""Half as many as one may have."""


def raise_open_files() -> None:
    """Each socket is an open file of this process too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def node_tokens(address: str, sockets: int, password: str = "root") -> list[str]:
    """Access tokens of as many new nodes as so many sockets need; `address` is the API's."""
    with httpx.Client(base_url=address, timeout=120, trust_env=False) as http:
        signed_in = http.post("/token/user", json={"username": "root", "password": password}).json()
        http.headers["Authorization"] = f"Bearer {signed_in['access_token']}"
        mark, tokens = os.urandom(4).hex(), list[str]()
        for number in range(-(-sockets // _PER_NODE)):
            organization = http.post("/organization", json={"name": f"idle-{mark}-{number}"}).json()["id"]
            body = {"name": f"idle-{mark}-{number}", "organization_ids": [organization]}
            collaboration = http.post("/collaboration", json=body).json()["id"]
            both = {"organization_id": organization, "collaboration_id": collaboration}
            key = http.post("/node", json=both).json()["api_key"]
            tokens.append(http.post("/token/node", json={"api_key": key}).json()["access_token"])
    return tokens


@dataclass
class Idle:
    """Sockets that have joined `/tasks`, and how many of them have ended again."""

    host: str
    port: int
    open: int = 0
    ended: int = 0
    _readers: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    _writers: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])

    async def add(self, token: str) -> None:
        """Open one more. Raises an error where it is refused."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        self._writers.append(writer)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        assert (await _message(reader)).startswith(b"0{")
        writer.write(_frame(1, _JOIN))
        while not (await _message(reader)).startswith(b"42/tasks,"):
            pass
        self.open += 1
        self._readers.append(asyncio.create_task(self._stay(reader, writer)))

    async def close(self) -> None:
        """Close all of them."""
        for task in self._readers:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _stay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                if await _message(reader, writer) == b"2":
                    writer.write(_frame(1, b"3"))
        self.ended += 1


@asynccontextmanager
async def idle_sockets(port: int, tokens: Sequence[str], number: int, host: str = "127.0.0.1") -> AsyncGenerator[Idle]:
    """Hold this many sockets for the length of the block, spread over the nodes."""
    idle, places = Idle(host, port), asyncio.Semaphore(_AT_ONCE)

    async def one(index: int) -> None:
        for _ in range(_ATTEMPTS):
            async with places:
                # A busy server ends a connection that it could not let in, and clients connect again.
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    return await idle.add(tokens[index % len(tokens)])
            await asyncio.sleep(2)
        raise ConnectionError("a node did not get in")

    try:
        await asyncio.gather(*(one(index) for index in range(number)))
        yield idle
    finally:
        await idle.close()


def _frame(opcode: int, data: bytes) -> bytes:
    """A short frame of a client, masked with zeros."""
    return bytes([0x80 | opcode, 0x80 | len(data)]) + bytes(4) + data


async def _message(reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None = None) -> bytes:
    """The next text frame; pings are answered on the way."""
    while True:
        first, length = await reader.readexactly(2)
        if length >= 126:
            length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
        data = await reader.readexactly(length)
        if first & 0x0F == 9 and writer is not None:
            writer.write(_frame(10, data))
        elif first & 0x0F == 8:
            raise ConnectionError("closed by the server")
        elif first & 0x0F == 1:
            return data
