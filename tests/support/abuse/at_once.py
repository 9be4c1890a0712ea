"""Many requests at the same moment, each over a connection of its own.

In plain bytes: an HTTP client's own work would take the time of the server, which runs on the same machine.
"""

import asyncio
import itertools
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from support.abuse.stack import AttackedStack

_SOURCES = (f"127.0.{16 + number // 250}.{number % 250 + 1}" for number in itertools.count())


def new_source() -> str:
    """An address of this machine that nobody has called from: limits of one address last for minutes."""
    return next(_SOURCES)


@dataclass(frozen=True)
class Post:
    """One POST (or another method) from `source`, an address of this machine."""

    path: str
    body: dict[str, Any]
    source: str
    token: str | None = None
    method: str = "POST"


def statuses_at_once(stack: AttackedStack, posts: Sequence[Post]) -> list[int]:
    """Connect all, then send all at once; the status of each answer, in order."""
    return asyncio.run(_all(httpx.URL(stack.address), posts))


async def _all(url: httpx.URL, posts: Sequence[Post]) -> list[int]:
    connections = [await asyncio.open_connection(url.host, url.port, local_addr=(one.source, 0)) for one in posts]
    for post, (_, writer) in zip(posts, connections, strict=True):
        writer.write(_request(url, post))
    return list(await asyncio.gather(*(_status(*connection) for connection in connections)))


def _request(url: httpx.URL, post: Post) -> bytes:
    body = json.dumps(post.body)
    lines = [f"{post.method} {url.path.rstrip('/')}{post.path} HTTP/1.1", f"Host: {url.host}:{url.port}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"Authorization: Bearer {post.token}"] if post.token else []
    return "\r\n".join([*lines, "", body]).encode()


async def _status(reader: StreamReader, writer: StreamWriter) -> int:
    async with asyncio.timeout(120):
        answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1])
