"""Service to service: one pooled client a service, deadlines, the request id passed on, no blind retries of writes."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import structlog
from structlog.contextvars import get_contextvars

from dataquality.core.errors import ApiError, Unavailable
from dataquality.core.tokens import TokenKey

log = structlog.stdlib.get_logger(__name__)
SERVICE_PURPOSE = "service"
_LIFETIME = timedelta(seconds=60)


_OUR_FAULT = (401, 422)


class ServiceError(ApiError):
    """Another service refused what a caller asked for; its status and message are passed on."""

    def __init__(self, status: int, msg: str) -> None:
        super().__init__(msg)
        self.status = status
        self.code = "refused"


class _NotReached(Unavailable):
    """No connection was made, so nothing was asked."""


class _SocketTransport(httpx.AsyncBaseTransport):
    """Reaches each host by the Unix socket of its name in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_host: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        if host not in self._by_host:
            self._by_host[host] = httpx.AsyncHTTPTransport(uds=str(self._folder / f"{host}.sock"))
        return await self._by_host[host].handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._by_host.values():
            await transport.aclose()


class ServiceClient:
    """Calls `/internal/...` of other services with a short-lived service token.

    `sockets` is the folder of their Unix sockets; None: their addresses name ports. `deadline` in seconds.
    """

    def __init__(self, key: TokenKey, component: str, sockets: Path | None = None, deadline: float = 10.0) -> None:
        self._key = key
        self._component = component
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(deadline, connect=2.0),
            trust_env=False,
            transport=_SocketTransport(sockets) if sockets else None,
        )

    async def get(self, url: str) -> Any:
        """The JSON answer. Reads are repeated once when the connection was broken: that does no harm."""
        try:
            return await self._call("GET", url, None)
        except Unavailable:
            return await self._call("GET", url, None)

    async def post(self, url: str, body: Any, *others: str) -> Any:
        """The JSON answer to a write; never repeated here.

        `others` is the same address at further instances, to be asked in turn where no connection could be made.
        """
        *before, last = (url, *others)
        for one in before:
            with suppress(_NotReached):
                return await self._call("POST", one, body)
        return await self._call("POST", last, body)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _call(self, method: str, url: str, body: Any) -> Any:
        try:
            response = await self._http.request(method, url, json=body, headers=self._headers())
        except httpx.HTTPError as error:
            not_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            refusal = _NotReached if not_sent else Unavailable
            raise refusal("A part of the server does not answer at the moment. Try again soon.") from error
        if response.status_code >= 500:
            raise Unavailable("A part of the server does not answer at the moment. Try again soon.")
        if response.status_code in _OUR_FAULT:
            # Our own token was refused (clocks or keys differ). A caller who got this 401 would take it for their own,
            # and a node would give up for good.
            log.error("another part of the server refuses this one's token", url=url, status=response.status_code)
            raise Unavailable("A part of the server does not trust another at the moment. Tell your administrator.")
        if response.status_code >= 400:
            raise ServiceError(response.status_code, response.json().get("msg", "refused"))
        return response.json()

    def _headers(self) -> dict[str, str]:
        token = self._key.issue_for(SERVICE_PURPOSE, self._component, _LIFETIME).text
        request_id = get_contextvars().get("request_id", "")
        return {"Authorization": f"Bearer {token}", "X-Request-Id": request_id}
