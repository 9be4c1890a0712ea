"""Results in the contract's shapes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.links import Links
from dataquality.core.times import wire_time
from dataquality.dispatch.result.repository import node_config_ids, ports
from dataquality.dispatch.result.texts import ResultTexts, Texts

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class ResultRenderer:
    """Renders rows of `repository.RESULTS`; asks the database the same number of times for one row and for many."""

    connection: AsyncConnection
    links: Links
    texts: ResultTexts

    async def linked(self, rows: Sequence[Any]) -> list[JsonObject]:
        """With links to organization and task."""
        shown = await self._common(rows)
        return [
            result
            | {
                "organization": self.links.one("organization", row.organization_id),
                "task": self.links.one("task", row.task_id),
            }
            for row, result in zip(rows, shown, strict=True)
        ]

    async def plain(self, rows: Sequence[Any]) -> list[JsonObject]:
        """With plain ids of organization and task."""
        shown = await self.in_task(rows)
        return [result | {"task": row.task_id} for row, result in zip(rows, shown, strict=True)]

    async def in_task(self, rows: Sequence[Any]) -> list[JsonObject]:
        """With the plain id of the organization and without the task, which is around it."""
        shown = await self._common(rows)
        return [result | {"organization": row.organization_id} for row, result in zip(rows, shown, strict=True)]

    async def _common(self, rows: Sequence[Any]) -> list[JsonObject]:
        ids = [row.id for row in rows]
        if not ids:
            return []
        nodes = sorted({row.node_id for row in rows if row.node_id is not None})
        texts, open_ports = await self.texts.of(self.connection, ids), await ports(self.connection, ids)
        configs = await node_config_ids(self.connection, nodes)
        return [
            self._result(row, texts[row.id], open_ports.get(row.id, []), configs.get(row.node_id, [])) for row in rows
        ]

    def _result(self, row: Any, texts: Texts, open_ports: list[Any], config: list[int]) -> JsonObject:
        return {
            "id": row.id,
            "status": row.status.value,
            **texts,
            "assigned_at": wire_time(row.assigned_at),
            "started_at": wire_time(row.started_at),
            "finished_at": wire_time(row.finished_at),
            "node": _node(row, config),
            "ports": [{"id": port.id, "port": port.port, "label": port.label} for port in open_ports],
        }


def _node(row: Any, config: list[int]) -> JsonObject:
    if row.node_id is None:
        return {}
    return {
        "id": row.node_id,
        "name": row.node_name,
        "ip": row.node_ip,
        "status": row.node_status.value if row.node_status else None,
        "config": config,
    }
