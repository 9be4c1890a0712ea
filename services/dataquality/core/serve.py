"""Runs one service's application with uvicorn."""

from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from dataquality.core.logs import set_up_logging
from dataquality.core.open_files import raise_open_files
from dataquality.core.settings import Settings, settings_from_environment
from dataquality.core.websockets import MESSAGE_BYTES, LimitedWebSocket


def serve(make_app: Callable[[Settings], FastAPI]) -> None:
    """Serve until told to stop; open requests get ten seconds to end."""
    settings = settings_from_environment()
    set_up_logging(settings)
    raise_open_files()
    uvicorn.run(
        make_app(settings),
        host=settings.host,
        port=settings.port,
        uds=str(settings.socket) if settings.socket else None,
        log_config=None,
        access_log=False,
        lifespan="on",
        loop="uvloop",
        http="httptools",
        ws=LimitedWebSocket,
        ws_max_size=MESSAGE_BYTES,
        # A few bytes could become megabytes, and each connection would keep a dictionary.
        ws_per_message_deflate=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,
    )
