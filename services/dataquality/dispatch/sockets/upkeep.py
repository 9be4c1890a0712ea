"""Keeps what the database knows of this instance's sockets fresh."""

import asyncio
import itertools
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.context import Context
from dataquality.dispatch.sockets import leases
from dataquality.dispatch.sockets.doors import Doors
from dataquality.dispatch.sockets.patience import once_it_answers
from dataquality.dispatch.sockets.present import Present
from dataquality.dispatch.sockets.repository import note_ability
from dataquality.dispatch.watch.uptime import note_up

_TROUBLE = "signs of life cannot be written"
_ROUND_SECONDS = 15
"""How often leases are renewed."""
_SEEN_SECONDS = 5
"""How often it is written who showed signs of life: pings and calls of that time are one statement."""
_ROUNDS_UNTIL_SEEN = 4
"""Every so many rounds an open socket is a sign of life by itself: older nodes send no pings."""
_SILENT_SECONDS = 90
"""Newer nodes send a ping after five seconds and then each minute; one that sends none for so long is an older one."""


@dataclass(frozen=True)
class Upkeep:
    """The rounds of one instance."""

    context: Context
    doors: Doors
    present: Present

    async def go_round(self) -> None:
        """Renew the leases, for ever; after an outage of the database as soon as may be."""
        for number in itertools.count():
            await once_it_answers(self._renew, _TROUBLE)
            if number % _ROUNDS_UNTIL_SEEN == 0:
                self.present.seen |= {guest.caller.id for guest in self.present.guests.values()}
            await asyncio.sleep(_ROUND_SECONDS)

    async def write_seen(self) -> None:
        """Write down who showed signs of life, for ever."""
        while True:
            await asyncio.sleep(_SEEN_SECONDS)
            if self.present.seen:
                await once_it_answers(self._write_those_seen, _TROUBLE)

    async def _renew(self) -> None:
        async with self.context.database.writing() as session:
            await note_up(session)
            kept = await leases.renew(session, self.doors.instance)
            await leases.forget(session, kept - self.present.guests.keys())
            await self._note_silent(session)
        guests = self.present.guests
        for sid, guest in list(guests.items()):
            if sid not in kept:
                await self.doors.enter(sid, guest)
                if sid not in guests:
                    # It went while it was entered.
                    await self.doors.leave(sid, guest)

    async def _note_silent(self, session: AsyncSession) -> None:
        if nodes := self.present.silent_for(_SILENT_SECONDS):
            await note_ability(session, nodes, can_kill=False)

    async def _write_those_seen(self) -> None:
        seen = set(self.present.seen)
        # Before it is written: whoever shows another meanwhile is written down next time.
        self.present.seen -= seen
        try:
            async with self.context.database.writing() as session:
                await leases.see(session, seen)
        except Exception:
            self.present.seen |= seen
            raise
