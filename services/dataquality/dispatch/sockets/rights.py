"""Lets no socket outlive the rights that it was opened with."""

import asyncio
from dataclasses import dataclass, replace

from dataquality.core.context import Context
from dataquality.dispatch.sockets.guests import Guest, moved, outlived
from dataquality.dispatch.sockets.patience import once_it_answers
from dataquality.dispatch.sockets.present import Present
from dataquality.dispatch.sockets.server import SocketServer

_STAMP_SECONDS = 1
"""How long a socket may outlive its rights. Looked up in the database: so it holds for whoever changed them (a service,
the import, the shell), whatever Redis and the worker do."""


@dataclass(frozen=True)
class Rights:
    """Of those that hold sockets of this instance."""

    context: Context
    server: SocketServer
    present: Present

    async def watch(self) -> None:
        """Hang up on those whose rights changed, who come again and get what is theirs; let others change rooms."""
        while True:
            await asyncio.sleep(_STAMP_SECONDS)
            await once_it_answers(self._follow, "rights of sockets cannot be checked")

    async def _follow(self) -> None:
        guests = dict(self.present.guests)
        if not guests:
            return
        async with self.context.database.reading() as connection:
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
        if self.present.guests.get(sid) is guest:
            self.present.guests[sid] = replace(guest, rooms=rooms)
