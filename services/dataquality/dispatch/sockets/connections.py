"""The Engine.IO connections of this instance, from the first request on, whether or not they have signed in."""

import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from dataquality.core.context import Context
from dataquality.core.errors import BadRequest
from dataquality.core.websockets import LimitedWebSocket
from dataquality.dispatch.sockets.admission import SIGN_IN_SECONDS, Admission, Applicant, applicant

log = structlog.stdlib.get_logger(__name__)
_KEY = "dataquality.connection"
_CLOSING_SECONDS = 5
_BUSY = "This session has such a request open already."


@dataclass(eq=False)
class Connection:
    """One Engine.IO session: requests of long-polling, a WebSocket, or the one and later the other."""

    applicant: Applicant
    allowance: int | None
    """Bytes that it may still send before it has signed in; None once it has."""
    eio_sid: str | None = None
    since: float = field(default_factory=time.monotonic)
    """When it was opened, or left `/tasks`."""
    is_exempt: bool = False
    """Whether it is signed in, or has asked for it and the server is at it: that may take long after a restart."""
    websockets: set[LimitedWebSocket] = field(default_factory=set[LimitedWebSocket])
    requests: set[str] = field(default_factory=set[str])
    """What it has open: at most one poll, one POST and one WebSocket, as all clients have."""

    def spend(self, size: int) -> bool:
        """Count the bytes of a request; False if they are too many."""
        if self.allowance is None:
            return True
        self.allowance -= size
        return self.allowance >= 0

    @contextmanager
    def request(self, kind: str) -> Generator[None]:
        """A request of this kind is open for the block. Raises BadRequest where another one is."""
        if kind in self.requests:
            raise BadRequest(_BUSY)
        self.requests.add(kind)
        try:
            yield
        finally:
            self.requests.discard(kind)

    @contextmanager
    def attached(self, websocket: LimitedWebSocket) -> Generator[None]:
        """A WebSocket of this session, for the block; it has what is left of the allowance."""
        websocket.allowance = self.allowance
        self.websockets.add(websocket)
        try:
            yield
        finally:
            self.websockets.discard(websocket)

    @contextmanager
    def exempt(self) -> Generator[None]:
        """The server is at its sign-in for the block."""
        self.is_exempt = True
        try:
            yield
        finally:
            self.is_exempt = False

    def sign_in(self) -> None:
        """No limit from now on, but that of a message."""
        self.is_exempt = True
        self._allow(None)

    def sign_out(self) -> None:
        """It has left `/tasks`, and is as one that has just come."""
        self.since, self.is_exempt = time.monotonic(), False
        self._allow(self.applicant.allowance)

    def is_overdue(self, now: float) -> bool:
        """Whether it has had enough time to sign in."""
        return not self.is_exempt and now - self.since > SIGN_IN_SECONDS

    def abort(self) -> None:
        """End its WebSockets at once."""
        for websocket in self.websockets:
            websocket.abort()

    def _allow(self, allowance: int | None) -> None:
        self.allowance = allowance
        for websocket in self.websockets:
            websocket.allowance = allowance


class Connections:
    """All of them, and those that have ids by their ids."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._admission = Admission()
        self._open: set[Connection] = set()
        self._by_id: dict[str, Connection] = {}
        self._ended: dict[Connection, float] = {}
        self.refusals: Counter[str] = Counter()
        """Why connections and their packets were refused, since it was last reported."""

    @contextmanager
    def begin(self, scope: Any) -> Generator[Connection]:
        """A new session, for its first request. Raises TooManyRequests."""
        who = applicant(self._context, scope)
        self._admission.enter(who.quotas)
        connection = scope[_KEY] = Connection(who, who.allowance)
        self._open.add(connection)
        try:
            yield connection
        finally:
            if connection.eio_sid is None:
                self._close(connection)

    def name(self, eio_sid: str, environ: dict[str, Any]) -> None:
        """The library has given an id to the session that began with this request."""
        connection = self._by_id[eio_sid] = environ["asgi.scope"][_KEY]
        connection.eio_sid = eio_sid

    def get(self, eio_sid: str | None) -> Connection | None:
        """The session with this id."""
        return self._by_id.get(eio_sid or "")

    def end(self, eio_sid: str) -> None:
        """A session has ended."""
        if (connection := self._by_id.pop(eio_sid, None)) is not None:
            self._close(connection)

    def overdue(self) -> list[Connection]:
        """Those that have not signed in in time."""
        now = time.monotonic()
        return [one for one in self._open if one.is_overdue(now)]

    def abort_ended(self) -> None:
        """Abort WebSockets whose session has ended a while ago, and whose client does not close them."""
        until = time.monotonic() - _CLOSING_SECONDS
        for connection in [one for one, ended in self._ended.items() if ended < until or not one.websockets]:
            del self._ended[connection]
            connection.abort()

    def report(self) -> None:
        """Write in one line what was refused: a line for each would let strangers fill the log."""
        if self.refusals:
            log.warning("connections or packets of sockets were refused", **self.refusals)
            self.refusals.clear()

    def _close(self, connection: Connection) -> None:
        if connection in self._open:
            self._open.remove(connection)
            self._admission.leave(connection.applicant.quotas)
            self._ended[connection] = time.monotonic()
