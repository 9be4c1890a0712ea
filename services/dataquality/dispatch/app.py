"""The dispatch service's application: the REST routes, and the sockets beside them."""

from typing import Any

from fastapi import FastAPI

from dataquality.core.app import create_app
from dataquality.core.context import Context, make_context
from dataquality.core.settings import Settings
from dataquality.dispatch.celery import JobQueue
from dataquality.dispatch.described import OPERATIONS
from dataquality.dispatch.internal.endpoints import router as internal
from dataquality.dispatch.kick import Kicker
from dataquality.dispatch.kill.endpoints import router as kill
from dataquality.dispatch.parts import DispatchParts
from dataquality.dispatch.port.endpoints import router as port
from dataquality.dispatch.result.endpoints import router as result
from dataquality.dispatch.sockets.hub import Hub
from dataquality.dispatch.task.endpoints import router as task

_LARGE_BODIES = r"/task|/result/[0-9]+"


def make_app(settings: Settings) -> FastAPI:
    """The application, with its connections still closed."""
    context = make_context(settings)
    kicker = Kicker(JobQueue(settings.redis_url))
    parts = DispatchParts(kicker, Hub(context, kicker))
    context.parts[DispatchParts] = parts
    app = create_app(
        context,
        *(task, result, kill, port, internal),
        described=OPERATIONS,
        on_start=_start,
        on_stop=_stop,
        large_bodies=_LARGE_BODIES,
        checks={"events": parts.hub.check},
    )
    # Outermost: sockets have their own way with tokens, and no line in the log for each poll.
    app.add_middleware(_sockets_first, hub=parts.hub)
    return app


def _sockets_first(app: Any, hub: Hub) -> Any:
    return hub.server.wrap(app)


async def _start(context: Context) -> None:
    await context.part(DispatchParts).hub.start()


async def _stop(context: Context) -> None:
    parts = context.part(DispatchParts)
    await parts.hub.stop()
    parts.kicker.close()
