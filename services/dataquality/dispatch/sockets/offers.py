"""Brings nodes what waits for them in the database, whether or not they heard of it before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dataquality.core.callers import NodeCaller
from dataquality.core.context import Context
from dataquality.dispatch.kill.wishes import wishes_before
from dataquality.dispatch.sockets.patience import once_it_answers
from dataquality.dispatch.sockets.present import Present
from dataquality.dispatch.sockets.repository import waiting_tasks
from dataquality.dispatch.sockets.server import SocketServer


@dataclass(frozen=True)
class Offers:
    """To the nodes that hold sockets of this instance."""

    context: Context
    server: SocketServer
    present: Present

    async def remind(self, sid: str, node: NodeCaller, came: datetime) -> None:
        """Tell a node that came at this time what it is still to kill."""
        async with self.context.database.reading() as connection:
            messages = await wishes_before(connection, node.id, came)
        for message in messages:
            await self.server.tell(sid, "kill_containers", message)

    async def offer(self, sids: Sequence[str]) -> None:
        """Tell these nodes of the tasks that they have not begun."""
        nodes = self.present.nodes(sids)
        if not nodes:
            return
        async with self.context.database.reading() as connection:
            waiting = await waiting_tasks(connection, list(set(nodes.values())))
        for sid, node_id in nodes.items():
            for task_id in waiting.get(node_id, []):
                await self.server.tell(sid, "new_task", task_id)

    async def offer_to_all(self) -> None:
        """The same to all that are here, as soon as the database answers."""
        await once_it_answers(lambda: self.offer(list(self.present.guests)), "waiting tasks are not offered yet")
