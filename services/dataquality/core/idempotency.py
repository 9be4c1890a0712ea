"""Creating requests that may come again: with an `Idempotency-Key` the second one gets the answer of the first.

A handler that creates takes `once: Once` and answers through it; what the caller may do is asked for every time. The
answer is kept in the transaction that it tells about, so there is either both or neither: a request that failed or was
cut off leaves nothing, and is carried out when it comes again. Follows the IETF draft "The Idempotency-Key HTTP Header
Field".
"""

import asyncio
import hashlib
import json
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.audit import actor_type
from dataquality.core.callers import Caller, ContainerCaller
from dataquality.core.context import context_of
from dataquality.core.errors import BadRequest, InProgress, KeyUsedOtherwise
from dataquality.model import KeptAnswer

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_FORM = re.compile(r"[\x21-\x7e]{1,255}")
# Hashing less than this takes the event loop no longer than handing it to a thread.
_HASHED_AT_ONCE = 1 << 20
Make = Callable[[], Awaitable[JSONResponse]]
Still = Callable[[], Awaitable[None]]
"""Raises Forbidden where the caller may no longer do what the request asks for."""
MakeWithSecret = Callable[[str], Awaitable[JSONResponse]]
_Identity = tuple[str, int, str]


@dataclass(frozen=True)
class SecretField:
    """A field of an answer that is kept nowhere: `derive` makes the same text from the same seed."""

    name: str
    derive: Callable[[bytes], str]


class AtWork:
    """The keys that this process works at right now."""

    def __init__(self) -> None:
        self._keys: set[_Identity] = set()

    @asynccontextmanager
    async def only_one(self, identity: _Identity) -> AsyncGenerator[None]:
        """Raise InProgress when another request with the key is in this block."""
        if identity in self._keys:
            raise _in_progress()
        self._keys.add(identity)
        try:
            yield
        finally:
            self._keys.discard(identity)


@dataclass(frozen=True)
class OnceOnly:
    """One request; `key` is None where the caller gave none."""

    request: Request
    key: str | None = field(repr=False)

    async def answer(self, session: AsyncSession, caller: Caller, make: Make, still: Still) -> Response:
        """The answer that `make` gives, or gave to the same request before, if the caller may still have it."""
        if self.key is None:
            return await make()
        async with self._alone(session, caller) as (identity, fingerprint):
            kept = await _find(session, identity, fingerprint)
            if kept is not None:
                await still()
                return _again(kept.status, kept.body)
            response = await make()
            await _keep(session, identity, fingerprint, "", response)
            return response

    async def answer_with_secret(
        self, session: AsyncSession, caller: Caller, secret: SecretField, make: MakeWithSecret, still: Still
    ) -> Response:
        """The same, for an answer that shows a secret: `make` is given it, and answers without it."""
        nonce = secrets.token_hex(32)
        if self.key is None:
            text = secret.derive(self._seed(nonce))
            return _with(await make(text), secret.name, text)
        async with self._alone(session, caller) as (identity, fingerprint):
            kept = await _find(session, identity, fingerprint)
            if kept is not None:
                await still()
                text = secret.derive(self._seed(kept.nonce))
                return _again(kept.status, json.dumps(json.loads(kept.body) | {secret.name: text}))
            text = secret.derive(self._seed(nonce))
            response = await make(text)
            await _keep(session, identity, fingerprint, nonce, response)
            return _with(response, secret.name, text)

    def _seed(self, nonce: str) -> bytes:
        # The database holds the nonce, but of the caller's key only a hash.
        return hashlib.sha256(f"{nonce}\0{self.key or ''}".encode()).digest()

    @asynccontextmanager
    async def _alone(self, session: AsyncSession, caller: Caller) -> AsyncGenerator[tuple[_Identity, str]]:
        identity = (actor_type(caller), caller.id, _hash(f"{_part_of(caller)}\0{self.key}".encode()))
        fingerprint = await _fingerprint(self.request)
        async with self._at_work.only_one(identity):
            await _lock(session, identity)
            yield identity, fingerprint

    @property
    def _at_work(self) -> AtWork:
        parts = context_of(self.request).parts
        return parts.setdefault(AtWork, AtWork())


def _part_of(caller: Caller) -> str:
    """What tells apart the containers of one node: each has keys of its own."""
    return f"{caller.subject.task_id}" if isinstance(caller, ContainerCaller) else ""


async def _fingerprint(request: Request) -> str:
    """Of what is asked: two requests with the same one ask the same."""
    head = f"{request.method}\0{request.url.path}\0{request.url.query}\0".encode()
    body = await request.body()
    if len(body) < _HASHED_AT_ONCE:
        return _hash(head, body)
    return await asyncio.to_thread(_hash, head, body)


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


async def _lock(session: AsyncSession, identity: _Identity) -> None:
    """Hold the key until the end of the transaction, against other processes too. Raises InProgress.

    SQLite needs none: a transaction there is alone from its first statement on.
    """
    connection = await session.connection()
    if connection.dialect.name != "postgresql":
        return
    number = int.from_bytes(hashlib.sha256(repr(identity).encode()).digest()[:8], "big", signed=True)
    if not await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": number}):
        raise _in_progress()


def _same(identity: _Identity) -> list[Any]:
    caller_type, caller_id, key = identity
    return [KeptAnswer.caller_type == caller_type, KeptAnswer.caller_id == caller_id, KeptAnswer.key == key]


async def _find(session: AsyncSession, identity: _Identity, fingerprint: str) -> Any | None:
    columns = (KeptAnswer.fingerprint, KeptAnswer.nonce, KeptAnswer.status, KeptAnswer.body)
    kept = (await session.execute(select(*columns).where(*_same(identity)))).one_or_none()
    if kept is not None and kept.fingerprint != fingerprint:
        raise KeyUsedOtherwise(
            f"This {HEADER} came with another request before. Send the very same request again, or take a new key."
        )
    return kept


async def _keep(
    session: AsyncSession, identity: _Identity, fingerprint: str, nonce: str, response: JSONResponse
) -> None:
    caller_type, caller_id, key = identity
    await session.execute(
        insert(KeptAnswer).values(
            caller_type=caller_type,
            caller_id=caller_id,
            key=key,
            fingerprint=fingerprint,
            nonce=nonce,
            status=response.status_code,
            body=bytes(response.body).decode(),
        )
    )


def _again(status: int, body: str) -> Response:
    return Response(body, status, {REPLAYED: "true"}, "application/json")


def _with(response: JSONResponse, name: str, secret: str) -> JSONResponse:
    return JSONResponse(json.loads(bytes(response.body)) | {name: secret}, response.status_code)


def _in_progress() -> InProgress:
    return InProgress(f"A request with this {HEADER} is being carried out. Send it again in a moment.")


async def by_type() -> None:
    """For handlers whose type of caller says all that the caller must be allowed."""


async def once_of(request: Request) -> OnceOnly:
    """The request with its key. Raises BadRequest for a malformed one."""
    given = request.headers.getlist(HEADER)
    if len(given) > 1 or (given and not _FORM.fullmatch(given[0])):
        raise BadRequest(f"Give one {HEADER} of 1 to 255 visible ASCII characters, without blanks; a UUID is best.")
    return OnceOnly(request, given[0] if given else None)


Once = Annotated[OnceOnly, Depends(once_of)]
"""Of a handler that creates: answers the same request once, however often it comes."""
