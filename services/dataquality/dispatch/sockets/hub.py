"""Lets nodes and users in, keeps them in their rooms, and brings nodes what waits for them."""

import asyncio
import itertools
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import Any

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.callers import Caller, NodeCaller, identify, read_bearer
from dataquality.core.context import Context
from dataquality.core.errors import ApiError, Unauthorized, Unavailable
from dataquality.core.tokens import ContainerClaims, IdentityClaims
from dataquality.dispatch.events import announce_status
from dataquality.dispatch.kick import Kicker
from dataquality.dispatch.kill.wishes import wishes_before
from dataquality.dispatch.silence import watch_ear
from dataquality.dispatch.sockets import leases, reports
from dataquality.dispatch.sockets.guests import Guest, moved, outlived
from dataquality.dispatch.sockets.repository import name_of, note_ability, stamps, waiting_tasks
from dataquality.dispatch.sockets.rooms import rooms_of
from dataquality.dispatch.sockets.server import SocketServer
from dataquality.dispatch.watch.uptime import note_up
from dataquality.model import OnlineStatus, utc_now

log = structlog.stdlib.get_logger(__name__)
STRANGER_SECONDS = 60
"""How long a client without a valid token may stay, to get itself one."""
_AWAY = (Unavailable, SQLAlchemyError, RedisError, OSError)
_RETRY_SECONDS = 1
_ROUND_SECONDS = 15
"""How often leases are renewed."""
_SEEN_SECONDS = 5
"""How often it is written who showed signs of life: pings and calls of that time are one statement."""
_ROUNDS_UNTIL_SEEN = 4
"""Every so many rounds an open socket is a sign of life by itself: older nodes send no pings."""
_SILENT_SECONDS = 90
"""Newer nodes send a ping after five seconds and then each minute; one that sends none for so long is an older one."""
_STAMP_SECONDS = 1
"""How long a socket may outlive the rights that it was opened with. Looked up in the database: so it holds for whoever
changed them (a service, the import, the shell), whatever Redis and the worker do."""


class Hub:
    """The sockets' side of one instance of the service."""

    def __init__(self, context: Context, kicker: Kicker) -> None:
        self._context = context
        self._kicker = kicker
        self._instance = secrets.token_hex(8)
        self._guests: dict[str, Guest] = {}
        self._seen: set[int] = set()
        self._silent: dict[str, float] = {}
        """Sockets of nodes that showed nothing yet that only newer nodes do, and since when."""
        context.saw_node = self._seen.add
        self._jobs: set[asyncio.Task[None]] = set()
        self._offering: asyncio.Task[None] | None = None
        self._watching: threading.Event | None = None
        self.server = SocketServer(context.redis, self._subscribed, context.settings.number)
        self._take("connect", self._connected)
        self._take("disconnect", self._disconnected)
        self._take("ping", self._pinged)
        self._take("node_info_update", self._described)
        self._take("algorithm_status_change", self._algorithm_changed)
        self._take("container_failed", self._container_failed)

    async def start(self) -> None:
        """Listen to the channel, and keep what is known of the sockets fresh."""
        await self.server.start()
        self._watching = watch_ear(self._context.settings, lambda: self.server.heard)
        self._begin(self._go_round())
        self._begin(self._write_seen())
        self._begin(self._watch_stamps())

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
        identified = None if isinstance(claims, ApiError) else await self._identified(claims)
        if identified is None:
            await self._ask_for_token(sid)
        else:
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
        self._begin(self._show_out(sid))

    async def _show_out(self, sid: str) -> None:
        await asyncio.sleep(STRANGER_SECONDS)
        await self.server.hang_up(sid)

    async def _let_try_again(self, sid: str) -> None:
        await asyncio.sleep(_RETRY_SECONDS)
        await self.server.hang_up(sid)

    async def _let_in(self, sid: str, caller: Caller, stamp: int | None) -> None:
        # What is to be killed from now on comes through the rooms.
        came = utc_now()
        async with self._context.database.reading() as connection:
            rooms, name = await rooms_of(connection, caller), await name_of(connection, caller.id)
        guest = Guest(caller, stamp, name, rooms)
        # Rooms before the look at what waits: a task is in the one or comes through the other.
        for room in rooms:
            await self.server.join(sid, room)
        self._guests[sid] = guest
        await self._enter(sid, guest)
        for room in guest.public_rooms:
            await self.server.hint(room, "message", f"{guest.title} joined room <{room}>")
        log.info("socket opened", identity=caller.id, title=guest.title)
        if isinstance(caller, NodeCaller):
            self._silent[sid] = time.monotonic()
            await self._remind(sid, caller, came)
            await self._offer([sid])
        if not self.server.is_here(sid):
            # It left while it was let in, when there was nothing yet to take back.
            await self._disconnected(sid)

    async def _disconnected(self, sid: str, *_: Any) -> None:
        guest = self._guests.pop(sid, None)
        self._silent.pop(sid, None)
        if guest is None:
            return
        for room in guest.public_rooms:
            await self.server.hint(room, "message", f"{guest.title} left room <{room}>", skip=sid)
        log.info("socket closed", identity=guest.caller.id, title=guest.title)
        await self._leave(sid, guest)

    async def _leave(self, sid: str, guest: Guest) -> None:
        async with self._context.database.writing() as session:
            if await leases.leave(session, sid, guest.caller.id):
                await _tell_status(session, guest, OnlineStatus.OFFLINE)
        await self._kicker.kick()

    async def _enter(self, sid: str, guest: Guest) -> None:
        async with self._context.database.writing() as session:
            await leases.enter(session, sid, guest.caller.id, self._instance)
            await _tell_status(session, guest, OnlineStatus.ONLINE)
        await self._kicker.kick()

    # What clients tell

    async def _pinged(self, sid: str, *_: Any) -> None:
        if (guest := self._guests.get(sid)) is not None:
            self._seen.add(guest.caller.id)
            await self._can_kill(sid)

    async def _described(self, sid: str, told: Any = None, *_: Any) -> None:
        if (node := self._node(sid)) is not None:
            async with self._context.database.writing() as session:
                await reports.describe(session, node, told)
            await self._can_kill(sid)

    async def _algorithm_changed(self, sid: str, told: Any = None, *_: Any) -> None:
        if (node := self._node(sid)) is not None:
            async with self._context.database.writing() as session:
                await reports.algorithm_changed(session, node, told)
            await self._kicker.kick()
            await self._can_kill(sid)

    async def _container_failed(self, sid: str, told: Any = None, *_: Any) -> None:
        if (node := self._node(sid)) is not None:
            async with self._context.database.writing() as session:
                await reports.container_failed(session, node, told)
                await note_ability(session, [node.id], can_kill=False)
            self._silent.pop(sid, None)
            await self._kicker.kick()

    async def _can_kill(self, sid: str) -> None:
        """The node did what only those do that end containers when they are told to."""
        if self._silent.pop(sid, None) is not None and (node := self._node(sid)) is not None:
            async with self._context.database.writing() as session:
                await note_ability(session, [node.id], can_kill=True)

    def _node(self, sid: str) -> NodeCaller | None:
        guest = self._guests.get(sid)
        return guest.caller if guest is not None and isinstance(guest.caller, NodeCaller) else None

    # What waits

    async def _remind(self, sid: str, node: NodeCaller, came: datetime) -> None:
        """Tell a node what it is still to kill."""
        async with self._context.database.reading() as connection:
            messages = await wishes_before(connection, node.id, came)
        for message in messages:
            await self.server.tell(sid, "kill_containers", message)

    async def _offer(self, sids: Sequence[str]) -> None:
        """Tell these nodes of the tasks that they have not begun."""
        nodes = {sid: node.id for sid in sids if (node := self._node(sid)) is not None}
        if not nodes:
            return
        async with self._context.database.reading() as connection:
            waiting = await waiting_tasks(connection, list(set(nodes.values())))
        for sid, node_id in nodes.items():
            for task_id in waiting.get(node_id, []):
                await self.server.tell(sid, "new_task", task_id)

    async def _subscribed(self) -> None:
        # What was published while nobody listened is lost, but still stands in the database.
        log.info("events are received")
        if self._offering is not None:
            self._offering.cancel()
        self._offering = self._begin(self._offer_to_all())

    async def _offer_to_all(self) -> None:
        while True:
            try:
                await self._offer(list(self._guests))
                return
            except SQLAlchemyError as error:
                log.warning("waiting tasks are not offered yet", error=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _go_round(self) -> None:
        """Renew the leases; after an outage of the database as soon as may be."""
        for number in itertools.count():
            await self._once_it_answers(self._renew)
            if number % _ROUNDS_UNTIL_SEEN == 0:
                self._seen |= {guest.caller.id for guest in self._guests.values()}
            await asyncio.sleep(_ROUND_SECONDS)

    async def _renew(self) -> None:
        async with self._context.database.writing() as session:
            await note_up(session)
            kept = await leases.renew(session, self._instance)
            await self._note_silent(session)
        for sid in kept - self._guests.keys():
            async with self._context.database.writing() as session:
                await leases.forget(session, sid)
        for sid, guest in list(self._guests.items()):
            if sid not in kept:
                await self._enter(sid, guest)
                if sid not in self._guests:
                    # It went while it was entered.
                    await self._leave(sid, guest)

    async def _note_silent(self, session: AsyncSession) -> None:
        since = time.monotonic() - _SILENT_SECONDS
        old = {sid for sid, entered in self._silent.items() if entered < since}
        nodes = {node.id for sid in old if (node := self._node(sid)) is not None}
        if nodes:
            await note_ability(session, sorted(nodes), can_kill=False)

    async def _write_seen(self) -> None:
        while True:
            await asyncio.sleep(_SEEN_SECONDS)
            if self._seen:
                await self._once_it_answers(self._write_those_seen)

    async def _write_those_seen(self) -> None:
        seen = set(self._seen)
        async with self._context.database.writing() as session:
            await leases.see(session, seen)
        self._seen -= seen

    async def _once_it_answers(self, work: Callable[[], Awaitable[None]]) -> None:
        was_away = False
        while True:
            try:
                return await work()
            except (SQLAlchemyError, OSError) as error:
                if not was_away:
                    log.warning("signs of life cannot be written", error=type(error).__name__)
                was_away = True
                await asyncio.sleep(_RETRY_SECONDS)

    async def _watch_stamps(self) -> None:
        """Hang up on those whose rights changed, who come again and get what is theirs; let others change rooms."""
        was_away = False
        while True:
            await asyncio.sleep(_STAMP_SECONDS)
            try:
                await self._follow_rights()
                was_away = False
            except SQLAlchemyError as error:
                if not was_away:
                    log.warning("rights of sockets cannot be checked", error=type(error).__name__)
                was_away = True

    async def _follow_rights(self) -> None:
        if not self._guests:
            return
        async with self._context.database.reading() as connection:
            guests = dict(self._guests)
            changed, elsewhere = await outlived(connection, guests), await moved(connection, guests)
        for sid in changed:
            await self.server.hang_up(sid)
        for sid, rooms in elsewhere.items():
            await self._move(sid, guests[sid], rooms)

    async def _move(self, sid: str, guest: Guest, rooms: list[str]) -> None:
        for room in set(guest.rooms).difference(rooms):
            await self.server.leave(sid, room)
        for room in set(rooms).difference(guest.rooms):
            await self.server.join(sid, room)
        if self._guests.get(sid) is guest:
            self._guests[sid] = replace(guest, rooms=rooms)

    def _begin(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return task


async def _tell_status(session: AsyncSession, guest: Guest, status: OnlineStatus) -> None:
    node = guest.caller
    if isinstance(node, NodeCaller):
        await announce_status(session, status, node.collaboration_id, node.id, guest.name, node.organization_id)
