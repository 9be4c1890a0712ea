"""The Engine.IO connections of this instance, from the first request on, whether or not they have signed in."""

from dataclasses import dataclass, field
from typing import Any

from dataquality.core.callers import authorization_of, read_bearer
from dataquality.core.context import Context
from dataquality.core.tokens import IdentityClaims
from dataquality.core.websockets import MESSAGE_BYTES, STRANGER_BYTES, LimitedWebSocket

_KEY = "dataquality.connection"


@dataclass(eq=False)
class Connection:
    """One Engine.IO session: requests of long-polling, a WebSocket, or the one and later the other."""

    allowance: int | None
    """Bytes that it may still send before it has signed in; None once it has."""
    websockets: set[LimitedWebSocket] = field(default_factory=set[LimitedWebSocket])

    def spend(self, size: int) -> bool:
        """Count the bytes of a request; False if they are too many."""
        if self.allowance is None:
            return True
        self.allowance -= size
        return self.allowance >= 0

    def attach(self, websocket: LimitedWebSocket) -> None:
        """A WebSocket begins, which has what is left of the allowance."""
        websocket.allowance = self.allowance
        self.websockets.add(websocket)

    def lift(self) -> None:
        """It has signed in: no limit from now on, but that of a message."""
        self.allowance = None
        for websocket in self.websockets:
            websocket.allowance = None


class Connections:
    """By the session's id."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._by_id: dict[str, Connection] = {}

    def begin(self, scope: Any) -> Connection:
        """A new session. Whose token is valid may send a whole message before the server has let it in."""
        claims = read_bearer(self._context, authorization_of(scope))
        is_known = isinstance(claims, IdentityClaims) and claims.type == "access"
        connection = scope[_KEY] = Connection(MESSAGE_BYTES if is_known else STRANGER_BYTES)
        return connection

    def name(self, eio_sid: str, environ: dict[str, Any]) -> None:
        """The library has given an id to the session that began with this request."""
        self._by_id[eio_sid] = environ["asgi.scope"][_KEY]

    def get(self, eio_sid: str) -> Connection | None:
        """The session with this id."""
        return self._by_id.get(eio_sid)

    def end(self, eio_sid: str) -> None:
        """A session has ended."""
        self._by_id.pop(eio_sid, None)
