"""The WebSocket protocol of the services: a client that has not signed in may send only so many bytes."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

STRANGER_BYTES = 16 * 1024
"""What a client may send before anything is known of it: a few packets of a hundred bytes are needed."""
MESSAGE_BYTES = 1_000_000
"""The largest message of a client that has signed in. Nodes send a few hundred bytes."""


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """Aborts the connection of a client that sends more than its allowance.

    Counted here and not in the application, which sees only whole messages: pings, and the frames of a message that
    never ends, also cost time and memory. The application finds this object in `scope["state"]["websocket"]`.
    """

    allowance: int | None = STRANGER_BYTES
    """Bytes after the handshake that the client may still send; None: no limit."""

    def data_received(self, data: bytes) -> None:
        """Bytes came over the connection."""
        if self.handshake_initiated and self.allowance is not None:
            self.allowance -= len(data)
            if self.allowance < 0:
                self.abort()
                return
        super().data_received(data)

    def handle_connect(self, event: Request) -> None:
        """The handshake came; the application starts after this."""
        super().handle_connect(event)
        if not self.close_sent:
            state: dict[str, Any] = self.scope["state"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
            state["websocket"] = self

    def abort(self) -> None:
        """End the connection at once, whatever is still to be sent."""
        self.transport.abort()
