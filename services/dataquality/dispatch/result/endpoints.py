"""Routes of results."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy import select

from dataquality.core.app import error_response
from dataquality.core.callers import Caller, forbidden
from dataquality.core.errors import NotFound
from dataquality.core.fields import PathId
from dataquality.core.paging import Paging
from dataquality.core.session import ReadConnection, WriteSession, after_commit
from dataquality.dispatch.among import among
from dataquality.dispatch.fields import Includes
from dataquality.dispatch.parts import Kick, LinkMaker, Shape
from dataquality.dispatch.reach import require_rule
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
from dataquality.dispatch.result.texts import TextsOfAnswer
from dataquality.dispatch.task.render import TaskRenderer
from dataquality.dispatch.task.repository import TASKS
from dataquality.dispatch.task.repository import readable_by as task_readable_by
from dataquality.model import Operation, Task

router = APIRouter()


@router.get("/result")
async def list_results(
    caller: ResultLister,
    filters: Annotated[ResultFilters, Query()],
    page: Paging,
    connection: ReadConnection,
    links: LinkMaker,
    texts: TextsOfAnswer,
) -> Response:
    """Results that the caller may see, newest first."""
    rows, total = await result_list(caller, filters).fetch(connection, page)
    results = await _shown(caller, ResultRenderer(connection, links, texts), rows, with_task=filters.includes("task"))
    return texts.filled(page.response(results, total))


@router.get("/result/{result_id:int}")
async def get_result(
    result_id: PathId,
    caller: ResultViewer,
    connection: ReadConnection,
    links: LinkMaker,
    texts: TextsOfAnswer,
    include: Includes = None,
) -> Response:
    """One result."""
    row = await find_result(connection, result_id, caller)
    if row is None:
        raise NotFound(f"There is no result with the id {result_id}.")
    if not row.readable:
        raise forbidden("result", Operation.VIEW)
    renderer = ResultRenderer(connection, links, texts)
    shown = await _shown(caller, renderer, [row], with_task=bool(include) and include[0] == "task")
    if not shown:
        raise NotFound(f"There is no result with the id {result_id}.")
    return texts.filled(JSONResponse(shown[0]))


@router.patch("/result/{result_id:int}")
async def patch_result(
    result_id: PathId,
    caller: Answerer,
    body: ResultPatch,
    session: WriteSession,
    links: LinkMaker,
    kicker: Kick,
    check_shape: Shape,
    texts: TextsOfAnswer,
) -> Response:
    """What a node tells of its work."""
    answered = await service.answer(session, caller, result_id, body)
    if answered.refusal is not None:
        return error_response(answered.refusal.status, answered.refusal.code, answered.refusal.msg)
    connection = await session.connection()
    if answered.changed:
        await check_shape(connection, answered.row.collaboration_id, [("result", body.result)])
        after_commit(session, kicker.kick)
    [result] = await ResultRenderer(connection, links, texts).linked([answered.row])
    return texts.filled(JSONResponse(result))


@router.get("/task/{task_id:int}/result")
async def list_results_of_task(
    task_id: PathId,
    caller: TaskResultViewer,
    page: Paging,
    connection: ReadConnection,
    links: LinkMaker,
    texts: TextsOfAnswer,
) -> Response:
    """The results of one task, newest first, with plain ids."""
    readable = select(Task.id, readable_by(caller).label("readable")).where(Task.id == task_id)
    task = (await connection.execute(readable)).one_or_none()
    if task is None:
        raise NotFound(f"There is no task with the id {task_id}.")
    if not task.readable:
        raise forbidden("result", Operation.VIEW)
    rows, total = await results_of_task(task_id).fetch(connection, page)
    return texts.filled(page.response(await ResultRenderer(connection, links, texts).plain(rows), total))


async def _shown(
    caller: Caller, renderer: ResultRenderer, rows: Sequence[Any], *, with_task: bool
) -> list[dict[str, Any]]:
    """A task in its result needs its own rule; where the caller's reach is shorter for tasks, the link stays."""
    if with_task:
        require_rule(caller, "task")
    results = await renderer.linked(rows)
    if not with_task or not rows:
        return results
    connection = renderer.connection
    readable = task_readable_by(caller).label("readable")
    wanted = among(connection, Task.id, sorted({row.task_id for row in rows}))
    found = (await connection.execute(TASKS.add_columns(readable).where(wanted))).all()
    tasks = await TaskRenderer(connection, renderer.links).bare([row for row in found if row.readable])
    by_id = {row.id: renderer.links.one("task", row.id) for row in found} | {task["id"]: task for task in tasks}
    # A task that was deleted a moment ago took its results along.
    return [
        result | {"task": by_id[row.task_id]} for row, result in zip(rows, results, strict=True) if row.task_id in by_id
    ]
