"""The line of each request in the log. Of a flood of requests without a token only the first are written.

The rest of a window is counted, and reported in one line at its end: nobody without rights drives out of the log what
was written before, and the lines of those who sign in and work stay.
"""

import asyncio
import contextvars
from collections import Counter
from typing import Any

import structlog
from starlette.datastructures import Headers

from dataquality.core.addresses import client_address, owner_of
from dataquality.core.errors import ApiError
from dataquality.core.log_lines import CALLERS_TEXT
from dataquality.core.settings import Settings

log = structlog.stdlib.get_logger(__name__)
WINDOW_SECONDS = 20.0
LINES = 10
"""Of requests without a token, in each window of each service."""
_ADDRESSES = 1000
"""How many different ones are counted by themselves: a flood from everywhere must not fill the memory."""
_READING = ("GET", "HEAD", "OPTIONS")


class RequestLog:
    """Writes the lines of one service's requests."""

    def __init__(self, settings: Settings, lines: int = LINES, seconds: float = WINDOW_SECONDS) -> None:
        self._settings = settings
        self._lines = lines
        self._seconds = seconds
        self._window: asyncio.TimerHandle | None = None
        self._anonymous = 0
        self._unwritten: Counter[str] = Counter()
        # The report belongs to no single request: its context is that of the service.
        self._context = contextvars.copy_context()

    def write(self, scope: Any, status: int, seconds: float) -> None:
        """Write a request's line, or count it."""
        path = scope["path"][:CALLERS_TEXT]
        if path.startswith("/internal/"):
            self._line(log.debug, scope["method"], path, status, seconds)
        elif not _is_anonymous(scope, status) or self._is_among_the_first():
            self._line(log.info, scope["method"], path, status, seconds)
        else:
            self._count(scope)

    def end_window(self) -> None:
        """Report what was counted, and begin again. Also to be called when the service ends."""
        if self._window is not None:
            self._window.cancel()
        self._window, self._anonymous, unwritten = None, 0, self._unwritten
        self._unwritten = Counter()
        if unwritten:
            [(address, most)] = unwritten.most_common(1)
            log.warning(
                "requests without a token were counted, not written",
                count=unwritten.total(), most_from=address, of_these=most, seconds=self._seconds,
            )  # fmt: skip

    def _line(self, write: Any, method: str, path: str, status: int, seconds: float) -> None:
        write("request", method=method, path=path, status=status, ms=round(seconds * 1000, 1))

    def _is_among_the_first(self) -> bool:
        if self._window is None:
            loop = asyncio.get_running_loop()
            self._window = loop.call_later(self._seconds, self.end_window, context=self._context)
        self._anonymous += 1
        return self._anonymous <= self._lines

    def _count(self, scope: Any) -> None:
        address = self._address(scope)
        known = address in self._unwritten or len(self._unwritten) < _ADDRESSES
        self._unwritten[address if known else "others"] += 1

    def _address(self, scope: Any) -> str:
        peer = scope["client"][0] if scope.get("client") else None
        forwarded = Headers(scope=scope).getlist("x-forwarded-for")
        address = client_address(peer, forwarded, self._settings.trusted_proxies)
        return owner_of(address) if address else "unknown"


def _is_anonymous(scope: Any, status: int) -> bool:
    """Whether nobody showed who they are: neither by a token nor by what they sent (a sign-in that succeeded)."""
    claims = scope.get("state", {}).get("claims")
    has_token = claims is not None and not isinstance(claims, ApiError)
    return not has_token and (status >= 400 or scope["method"] in _READING)
