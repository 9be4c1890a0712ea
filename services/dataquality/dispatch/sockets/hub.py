"""Lets nodes and users in, keeps them in their rooms, and brings nodes what waits for them."""

import asyncio
import secrets
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from dataquality.core.callers import Caller, NodeCaller, identify, read_bearer
from dataquality.core.context import Context
from dataquality.core.errors import ApiError, Unauthorized, Unavailable
from dataquality.core.tokens import ContainerClaims, IdentityClaims
from dataquality.dispatch.kick import Kicker
from dataquality.dispatch.silence import watch_ear
from dataquality.dispatch.sockets.doors import Doors
from dataquality.dispatch.sockets.guests import Guest
from dataquality.dispatch.sockets.offers import Offers
from dataquality.dispatch.sockets.present import Present
from dataquality.dispatch.sockets.repository import name_of, stamps
from dataquality.dispatch.sockets.rights import Rights
from dataquality.dispatch.sockets.rooms import rooms_of
from dataquality.dispatch.sockets.server import SocketServer
from dataquality.dispatch.sockets.told import Told
from dataquality.dispatch.sockets.upkeep import Upkeep
from dataquality.model import utc_now

log = structlog.stdlib.get_logger(__name__)
_AWAY = (Unavailable, SQLAlchemyError, RedisError, OSError)
_RETRY_SECONDS = 1


class Hub:
    """The sockets' side of one instance of the service."""

    def __init__(self, context: Context, kicker: Kicker) -> None:
        self._context = context
        self._present = Present()
        context.saw_node = self._present.seen.add
        self.server = SocketServer(context, self._subscribed)
        self._doors = Doors(context, kicker, secrets.token_hex(8))
        self._offers = Offers(context, self.server, self._present)
        self._upkeep = Upkeep(context, self._doors, self._present)
        self._rights = Rights(context, self.server, self._present)
        self._jobs: set[asyncio.Task[None]] = set()
        self._offering: asyncio.Task[None] | None = None
        self._watching: threading.Event | None = None
        told = Told(context, kicker, self._present)
        self._take("connect", self._connected)
        self._take("disconnect", self._disconnected)
        self._take("ping", told.ping)
        self._take("node_info_update", told.node_info_update)
        self._take("algorithm_status_change", told.algorithm_status_change)
        self._take("container_failed", told.container_failed)

    async def start(self) -> None:
        """Listen to the channel, and keep what is known of the sockets fresh."""
        await self.server.start()
        self._watching = watch_ear(self._context.settings, lambda: self.server.heard)
        self._begin(self._upkeep.go_round())
        self._begin(self._upkeep.write_seen())
        self._begin(self._rights.watch())
        self._begin(self.server.watch())

    async def stop(self) -> None:
        """Hang up on everybody."""
        if self._watching is not None:
            self._watching.set()
        await self.server.stop()
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    async def check(self) -> None:
        """Raise OSError while events would not be heard."""
        if not self.server.is_listening:
            raise ConnectionError("no events are received")

    def _take(self, event: str, handler: Callable[..., Awaitable[Any]]) -> None:
        """At this boundary nobody else is left to hear of an error."""

        @wraps(handler)
        async def guarded(sid: str, *arguments: Any) -> Any:
            try:
                return await handler(sid, *arguments)
            except _AWAY as error:
                log.warning("a socket's event was not handled", event_name=event, error=type(error).__name__)
            except Exception:
                log.exception("a socket's event failed", event_name=event)
            if event == "connect":
                await self._let_try_again(sid)
            return None

        self.server.on(event, guarded)

    # Coming and going

    async def _connected(self, sid: str, environ: dict[str, Any], *_: Any) -> bool | None:
        claims = read_bearer(self._context, environ.get("HTTP_AUTHORIZATION"))
        if isinstance(claims, ContainerClaims):
            return False
        connection = self.server.connection(sid)
        if connection is None:
            return None
        with connection.exempt():
            identified = None if isinstance(claims, ApiError) else await self._identified(claims)
        if identified is None:
            await self._ask_for_token(sid)
        else:
            connection.sign_in()
            await self._let_in(sid, *identified)
        return None

    async def _identified(self, claims: IdentityClaims) -> tuple[Caller, int | None] | None:
        if claims.type != "access":
            return None
        # The stamp is read before the rights: a change in between is noticed at the next look.
        async with self._context.database.reading() as connection:
            stamp = (await stamps(connection, [claims.sub])).get(claims.sub)
        try:
            return await identify(self._context, claims), stamp
        except Unauthorized:
            return None

    async def _ask_for_token(self, sid: str) -> None:
        # The handlers of two generations of nodes take no argument, or exactly one: each is served, and ignores the
        # other's shape.
        await self.server.tell(sid, "expired_token")
        await self.server.tell(sid, "expired_token", "")

    async def _let_try_again(self, sid: str) -> None:
        await asyncio.sleep(_RETRY_SECONDS)
        await self.server.hang_up(sid)

    async def _let_in(self, sid: str, caller: Caller, stamp: int | None) -> None:
        async with self._context.database.reading() as connection:
            rooms, name = await rooms_of(connection, caller), await name_of(connection, caller.id)
        guest = Guest(caller, stamp, name, rooms)
        # Rooms before the look at what waits: a task is in the one or comes through the other.
        for room in rooms:
            await self.server.join(sid, room)
        # What is to be killed from now on comes through the rooms.
        came = utc_now()
        self._present.guests[sid] = guest
        await self._doors.enter(sid, guest)
        for room in guest.public_rooms:
            await self.server.hint(room, "message", f"{guest.title} joined room <{room}>")
        log.info("socket opened", identity=caller.id, title=guest.title)
        if isinstance(caller, NodeCaller):
            self._present.expect_a_sign(sid)
            await self._offers.remind(sid, caller, came)
            await self._offers.offer([sid])
        if not self.server.is_here(sid):
            # It left while it was let in, when there was nothing yet to take back.
            await self._disconnected(sid)

    async def _disconnected(self, sid: str, *_: Any) -> None:
        guest = self._present.go(sid)
        if guest is None:
            return
        if (connection := self.server.connection(sid)) is not None:
            connection.sign_out()
        for room in guest.public_rooms:
            await self.server.hint(room, "message", f"{guest.title} left room <{room}>", skip=sid)
        log.info("socket closed", identity=guest.caller.id, title=guest.title)
        await self._doors.leave(sid, guest)

    async def _subscribed(self) -> None:
        # What was published while nobody listened is lost, but still stands in the database.
        log.info("events are received")
        if self._offering is not None:
            self._offering.cancel()
        self._offering = self._begin(self._offers.offer_to_all())

    def _begin(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return task
