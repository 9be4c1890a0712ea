"""Tasks in the contract's shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.links import Links
from dataquality.core.times import wire_time
from dataquality.dispatch.task.repository import Summary, child_ids, result_ids, summaries

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class TaskRenderer:
    """Renders rows of `repository.TASKS`; asks the database the same number of times for one row and for many."""

    connection: AsyncConnection
    links: Links

    async def bare(self, rows: Sequence[Any]) -> list[JsonObject]:
        """Without results, as nested in a result."""
        ids = [row.id for row in rows]
        if not ids:
            return []
        derived, children = await summaries(self.connection, ids), await child_ids(self.connection, ids)
        return [self._task(row, derived.get(row.id, Summary()), children.get(row.id, [])) for row in rows]

    async def linked(self, rows: Sequence[Any]) -> list[JsonObject]:
        """With links to the results."""
        tasks = await self.bare(rows)
        results = await result_ids(self.connection, [row.id for row in rows]) if rows else {}
        return [task | {"results": self.links.many("result", results.get(task["id"], []))} for task in tasks]

    def _task(self, row: Any, summary: Summary, children: list[int]) -> JsonObject:
        return {
            "id": row.id,
            "name": row.name,
            "description": row.description,
            "image": row.image,
            "database": row.database,
            "run_id": row.run_id,
            "initiator": row.initiator_id,
            "init_user": row.init_user_id,
            "collaboration": self.links.one("collaboration", row.collaboration_id),
            "parent": self.links.one("task", row.parent_id),
            "children": self.links.many("task", children),
            "status": summary.status,
            "complete": summary.complete,
            "created_at": wire_time(row.created_at),
            "finished_at": wire_time(summary.finished_at),
            "deadline": wire_time(row.deadline),
        }
