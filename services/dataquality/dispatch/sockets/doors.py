"""Writes down that somebody came or went, and tells the others of a node's status."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from dataquality.core.callers import NodeCaller
from dataquality.core.context import Context
from dataquality.dispatch.events import announce_status
from dataquality.dispatch.kick import Kicker
from dataquality.dispatch.sockets import leases
from dataquality.dispatch.sockets.guests import Guest
from dataquality.model import OnlineStatus


@dataclass(frozen=True)
class Doors:
    """The leases of one instance's sockets."""

    context: Context
    kicker: Kicker
    instance: str
    """A name that no other instance and no other run of this one has."""

    async def enter(self, sid: str, guest: Guest) -> None:
        """A socket begins, or is found to have lost its lease."""
        async with self.context.database.writing() as session:
            await leases.enter(session, sid, guest.caller.id, self.instance)
            await _tell_status(session, guest, OnlineStatus.ONLINE)
        await self.kicker.kick()

    async def leave(self, sid: str, guest: Guest) -> None:
        """A socket has ended; its holder may have others."""
        async with self.context.database.writing() as session:
            if await leases.leave(session, sid, guest.caller.id):
                await _tell_status(session, guest, OnlineStatus.OFFLINE)
        await self.kicker.kick()


async def _tell_status(session: AsyncSession, guest: Guest, status: OnlineStatus) -> None:
    node = guest.caller
    if isinstance(node, NodeCaller):
        await announce_status(session, status, node.collaboration_id, node.id, guest.name, node.organization_id)
