"""What clients tell over their sockets (contract, events, section 5)."""

from dataclasses import dataclass
from typing import Any

from dataquality.core.context import Context
from dataquality.dispatch.kick import Kicker
from dataquality.dispatch.sockets import reports
from dataquality.dispatch.sockets.present import Present
from dataquality.dispatch.sockets.repository import note_ability


@dataclass(frozen=True)
class Told:
    """Takes each event from whoever holds the socket, whatever the payload says of who sent it."""

    context: Context
    kicker: Kicker
    present: Present

    async def ping(self, sid: str, *_: Any) -> None:
        """A sign of life."""
        if (guest := self.present.guests.get(sid)) is not None:
            self.present.seen.add(guest.caller.id)
            await self._can_kill(sid)

    async def node_info_update(self, sid: str, told: Any = None, *_: Any) -> None:
        """How a node is set up."""
        if (node := self.present.node(sid)) is not None:
            async with self.context.database.writing() as session:
                await reports.describe(session, node, told)
            await self._can_kill(sid)

    async def algorithm_status_change(self, sid: str, told: Any = None, *_: Any) -> None:
        """An algorithm began or ended on a newer node."""
        if (node := self.present.node(sid)) is not None:
            async with self.context.database.writing() as session:
                await reports.algorithm_changed(session, node, told)
            await self.kicker.kick()
            await self._can_kill(sid)

    async def container_failed(self, sid: str, told: Any = None, *_: Any) -> None:
        """An algorithm crashed on an older node, which ends none when it is told to."""
        if (node := self.present.node(sid)) is not None:
            async with self.context.database.writing() as session:
                await reports.container_failed(session, node, told)
                await note_ability(session, [node.id], can_kill=False)
            self.present.settle(sid)
            await self.kicker.kick()

    async def _can_kill(self, sid: str) -> None:
        """The node did what only those do that end containers when they are told to."""
        if self.present.settle(sid) and (node := self.present.node(sid)) is not None:
            async with self.context.database.writing() as session:
                await note_ability(session, [node.id], can_kill=True)
