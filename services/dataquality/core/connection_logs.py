"""What libraries write about connections: without query strings, which hold tokens, and never a flood of it."""

import logging
import time

WINDOW_SECONDS = 20.0
LINES = 10
"""Warnings of one library in a window; what is beyond is counted."""
_FLOODED = ("uvicorn.error", "engineio.server", "socketio.server")
"""They write a line for what anybody may send, such as a request that is no HTTP."""


class ConnectionLines(logging.Filter):
    """Leaves out query strings, and the line for each WebSocket: ours tells who opened one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if isinstance(record.args, tuple):
            record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
        return record.levelno < logging.INFO or "WebSocket" not in str(record.msg)


class SessionLines(logging.Filter):
    """Leaves out the ids of sessions, which come from the query string."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the text in place; every line is written."""
        before, session, _ = str(record.msg).partition(" session ")
        if session:
            record.msg = before + session.rstrip()
        return True


class FewLines(logging.Filter):
    """Lets some warnings through in each window, and tells with the next how many were left out."""

    def __init__(self, lines: int = LINES, seconds: float = WINDOW_SECONDS) -> None:
        super().__init__()
        self._lines = lines
        self._seconds = seconds
        self._began = float("-inf")
        self._seen = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written. What is below a warning was asked for by name."""
        if record.levelno < logging.WARNING:
            return True
        now = time.monotonic()
        if now - self._began >= self._seconds:
            left_out = self._seen - self._lines
            self._began, self._seen = now, 0
            if left_out > 0:
                record.msg = f"{record.msg} ({left_out} lines before it were left out)"
        self._seen += 1
        return self._seen <= self._lines


_FILTERS: dict[str, logging.Filter] = {"uvicorn.error": ConnectionLines(), "engineio.server": SessionLines()}
_FEW = {name: FewLines() for name in _FLOODED}


def limit_libraries() -> None:
    """Let them write no query strings and no floods."""
    for filters in (_FILTERS, _FEW):
        for name, one in filters.items():
            logging.getLogger(name).addFilter(one)
