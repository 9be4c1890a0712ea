"""Routes of results."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.callers import forbidden
from dataquality.core.errors import NotFound
from dataquality.core.fields import PathId
from dataquality.core.links import Links
from dataquality.core.paging import Paging
from dataquality.core.session import ReadConnection, WriteSession, after_commit
from dataquality.dispatch.among import among
from dataquality.dispatch.fields import Includes
from dataquality.dispatch.parts import Kick, LinkMaker, Shape
from dataquality.dispatch.result import service
from dataquality.dispatch.result.policy import Answerer, ResultLister, ResultViewer, TaskResultViewer
from dataquality.dispatch.result.render import ResultRenderer
from dataquality.dispatch.result.repository import (
    find_result,
    readable_by,
    result_list,
    results_of_task,
)
from dataquality.dispatch.result.schemas import ResultFilters, ResultPatch
from dataquality.dispatch.task.render import TaskRenderer
from dataquality.dispatch.task.repository import TASKS
from dataquality.model import Operation, Task

router = APIRouter()


@router.get("/result")
async def list_results(
    caller: ResultLister,
    filters: Annotated[ResultFilters, Query()],
    page: Paging,
    connection: ReadConnection,
    links: LinkMaker,
) -> JSONResponse:
    """Results that the caller may see, newest first."""
    rows, total = await result_list(caller, filters).fetch(connection, page)
    results = await _shown(connection, links, rows, with_task=filters.includes("task"))
    return page.response(results, total)


@router.get("/result/{result_id:int}")
async def get_result(
    result_id: PathId, caller: ResultViewer, connection: ReadConnection, links: LinkMaker, include: Includes = None
) -> JSONResponse:
    """One result."""
    row = await find_result(connection, result_id, caller)
    if row is None:
        raise NotFound(f"There is no result with the id {result_id}.")
    if not row.readable:
        raise forbidden("result", Operation.VIEW)
    shown = await _shown(connection, links, [row], with_task=bool(include) and include[0] == "task")
    if not shown:
        raise NotFound(f"There is no result with the id {result_id}.")
    return JSONResponse(shown[0])


@router.patch("/result/{result_id:int}")
async def patch_result(
    result_id: PathId,
    caller: Answerer,
    body: ResultPatch,
    session: WriteSession,
    links: LinkMaker,
    kicker: Kick,
    check_shape: Shape,
) -> JSONResponse:
    """What a node tells of its work."""
    answered = await service.answer(session, caller, result_id, body)
    connection = await session.connection()
    if answered.changed:
        await check_shape(connection, answered.row.collaboration_id, [("result", body.result)])
        after_commit(session, kicker.kick)
    [result] = await ResultRenderer(connection, links).linked([answered.row])
    return JSONResponse(result)


@router.get("/task/{task_id:int}/result")
async def list_results_of_task(
    task_id: PathId, caller: TaskResultViewer, page: Paging, connection: ReadConnection, links: LinkMaker
) -> JSONResponse:
    """The results of one task, newest first, with plain ids."""
    readable = select(Task.id, readable_by(caller).label("readable")).where(Task.id == task_id)
    task = (await connection.execute(readable)).one_or_none()
    if task is None:
        raise NotFound(f"There is no task with the id {task_id}.")
    if not task.readable:
        raise forbidden("result", Operation.VIEW)
    rows, total = await results_of_task(task_id).fetch(connection, page)
    return page.response(await ResultRenderer(connection, links).plain(rows), total)


async def _shown(
    connection: AsyncConnection, links: Links, rows: Sequence[Any], *, with_task: bool
) -> list[dict[str, Any]]:
    results = await ResultRenderer(connection, links).linked(rows)
    if not with_task or not rows:
        return results
    statement = TASKS.where(among(connection, Task.id, sorted({row.task_id for row in rows})))
    tasks = await TaskRenderer(connection, links).bare((await connection.execute(statement)).all())
    by_id = {task["id"]: task for task in tasks}
    # A task that was deleted a moment ago took its results along.
    return [
        result | {"task": by_id[row.task_id]} for row, result in zip(rows, results, strict=True) if row.task_id in by_id
    ]
