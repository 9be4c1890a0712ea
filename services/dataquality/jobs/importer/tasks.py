"""Writes example tasks, as the API would: results for all who are asked, and the events that tell of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from dataquality.jobs.importer.known import TASK_NAME, chunks, rows_in
from dataquality.jobs.importer.rows import Rows, insert_for_ids, insert_rows, table
from dataquality.model import Node, OutboxEvent, Result, ResultContent, ResultStatus, Task, next_run_id_statement

_INPUT = "something"
_node = table(Node)


@dataclass(frozen=True)
class NewTask:
    """An example task; `places` are the ids of its organizations and of their nodes, the initiator first."""

    image: str
    collaboration_id: int
    initiator_id: int
    places: tuple[tuple[int, int], ...]


def nodes_of(connection: Connection, collaboration_ids: Sequence[int]) -> dict[tuple[int, int], int]:
    """The node of each organization in each of these collaborations."""
    statement = select(_node.c.organization_id, _node.c.collaboration_id, _node.c.id)
    rows = rows_in(connection, statement, _node.c.collaboration_id, set(collaboration_ids))
    return {(row.organization_id, row.collaboration_id): row.id for row in rows}


def write_tasks(connection: Connection, tasks: Sequence[NewTask]) -> None:
    """Tasks, results and events."""
    rows = [_task_row(task, _next_run_id(connection)) for task in tasks]
    ids = insert_for_ids(connection, table(Task), rows)
    results = [
        {"task_id": i, "organization_id": organization, "node_id": node, "status": ResultStatus.PENDING}
        for i, task in zip(ids, tasks, strict=True)
        for organization, node in task.places
    ]
    for batch in chunks(results):
        made = insert_for_ids(connection, table(Result), batch)
        insert_rows(connection, table(ResultContent), [{"result_id": i, "input": _INPUT} for i in made])
    events = [event for i, row in zip(ids, rows, strict=True) for event in _events(i, row)]
    insert_rows(connection, table(OutboxEvent), events)


def _next_run_id(connection: Connection) -> int:
    return int(connection.execute(next_run_id_statement(connection.dialect.name)).scalar_one())


def _task_row(task: NewTask, run_id: int) -> dict[str, Any]:
    return {
        "name": TASK_NAME,
        "image": task.image,
        "collaboration_id": task.collaboration_id,
        "run_id": run_id,
        "initiator_id": task.initiator_id,
    }


def _events(task_id: int, row: dict[str, Any]) -> Rows:
    collaboration_id = row["collaboration_id"]
    created = {
        "task_id": task_id,
        "run_id": row["run_id"],
        "collaboration_id": collaboration_id,
        "init_org_id": row["initiator_id"],
    }
    place = {"room": f"collaboration_{collaboration_id}", "collaboration_id": collaboration_id}
    return [
        {"event": "task_created", "payload": [created], **place},
        {"event": "new_task", "payload": [task_id], **place},
    ]
