"""Who holds a socket of this instance, and whether it still may."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.callers import Caller, NodeCaller
from dataquality.dispatch.sockets.repository import stamps
from dataquality.dispatch.sockets.rooms import ALL_NODES, rooms_of
from dataquality.model import Operation, Scope


@dataclass(frozen=True)
class Guest:
    """Who holds a socket of this instance."""

    caller: Caller
    stamp: int | None
    name: str
    rooms: list[str]

    @property
    def title(self) -> str:
        """As the `message` events call it."""
        return f"{'Node' if isinstance(self.caller, NodeCaller) else 'User'} <{self.name}>"

    @property
    def public_rooms(self) -> list[str]:
        """The rooms in which its coming and going is told."""
        return [room for room in self.rooms if room != ALL_NODES]

    @property
    def view(self) -> tuple[int, frozenset[Scope]] | None:
        """What decides which collaborations a user hears of; None for a node, which has its own and no other."""
        if isinstance(self.caller, NodeCaller):
            return None
        return self.caller.organization_id, self.caller.scopes("event", Operation.VIEW)


async def outlived(connection: AsyncConnection, guests: Mapping[str, Guest]) -> list[str]:
    """The sockets that were opened with other rights than their holders have now; one statement."""
    now = await stamps(connection, list({guest.caller.id for guest in guests.values()}))
    return [sid for sid, guest in guests.items() if now.get(guest.caller.id) != guest.stamp]


async def moved(connection: AsyncConnection, guests: Mapping[str, Guest]) -> dict[str, list[str]]:
    """The sockets whose rooms are others by now, and which; a statement for each group of users who hear the same.

    Collaborations come and go, and organizations join and leave them, without a change of anybody's rights.
    """
    users = {sid: (guest, guest.view) for sid, guest in guests.items() if guest.view is not None}
    groups = {view: guest.caller for guest, view in users.values()}
    rooms = {view: await rooms_of(connection, caller) for view, caller in groups.items()}
    return {sid: rooms[view] for sid, (guest, view) in users.items() if guest.rooms != rooms[view]}
