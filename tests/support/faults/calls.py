"""Calls that are made until they are answered, as one identity whose tokens are renewed on the way."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.faults.history import History, Retried

Answer = httpx.Response | None
"""None where no answer came."""
SECONDS, FEW_SECONDS = 15.0, 3.0
"""How long clients wait for an answer. Some calls are given up early, and sent again while the first is still at work;
not all, for clients that never wait keep a slow server from ever catching up."""
IMPATIENT = 0.1
"""This part of the calls."""
_AGAIN = {408, 409, 425, 429}


def new_http(url: str) -> httpx.AsyncClient:
    """A client of the API at `url` (scheme, host and port)."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    return httpx.AsyncClient(base_url=f"{url}/api", timeout=SECONDS, limits=limits, trust_env=False)


def is_answered(answer: Answer) -> bool:
    """The server took the call or refused it for good; else it is to be sent again."""
    if answer is None or answer.status_code >= 500 or answer.status_code in _AGAIN:
        return False
    return not _is_stale(answer)


def _is_stale(answer: httpx.Response) -> bool:
    # The contract has the same status for a token that has expired and for a permission that is missing.
    return answer.status_code == 401 and answer.json().get("code") != "forbidden"


@dataclass
class Caller:
    """Somebody with tokens. `sign_in` is path and body of the sign-in."""

    http: httpx.AsyncClient
    history: History
    chance: random.Random
    name: str
    sign_in: tuple[str, dict[str, Any]]
    access: str = ""
    refresh: str = ""
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def once(self, method: str, path: str, **arguments: Any) -> Answer:
        """One attempt. A token that has expired is renewed, for the next one."""
        used = self.access
        answer = await self._send(method, path, used, **arguments)
        if answer is not None and _is_stale(answer):
            await self.renew(used)
        return answer

    async def until_answered(
        self, method: str, path: str, noted: Callable[[float, Answer], None] | None = None, **arguments: Any
    ) -> httpx.Response:
        """Attempts until one is answered; `noted` is told of each: when it began, and its answer."""
        pause = 0.1
        while True:
            began = self.history.now
            answer = await self.once(method, path, **arguments)
            if noted is not None:
                noted(began, answer)
            if answer is not None and is_answered(answer):
                return answer
            why = "no answer" if answer is None else str(answer.status_code)
            self.history.add(Retried(self.history.now, f"{method} {path.split('/')[1].split('?')[0]}", why))
            await asyncio.sleep(pause * self.chance.uniform(0.5, 1.5))
            pause = min(pause * 2, 1.5)

    async def renew(self, used: str) -> None:
        """A new access token in place of the one that was used: by the refresh token, else by signing in again."""
        async with self._renewing:
            while self.access == used:
                tokens = await self._tokens()
                if tokens is None:
                    await asyncio.sleep(0.3)
                    continue
                self.access, self.refresh = tokens["access_token"], tokens["refresh_token"]

    async def _tokens(self) -> dict[str, Any] | None:
        path, body = self.sign_in
        if not self.refresh:
            answer = await self._send("POST", path, "", json=body)
        else:
            answer = await self._send("POST", "/token/refresh", self.refresh)
            if answer is not None and answer.status_code in (401, 403):
                self.refresh = ""
        why = "no answer" if answer is None else str(answer.status_code)
        self.history.add(Retried(self.history.now, "tokens", why))
        if answer is None or answer.status_code != 200:
            return None
        return {"refresh_token": self.refresh} | answer.json()

    async def _send(self, method: str, path: str, token: str, **arguments: Any) -> Answer:
        headers = arguments.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        seconds = FEW_SECONDS if self.chance.random() < IMPATIENT else SECONDS
        try:
            return await self.http.request(method, path, headers=headers, timeout=seconds, **arguments)
        except httpx.TransportError:
            return None
