"""Routes of tasks."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.core.callers import Caller, forbidden
from dataquality.core.errors import NotFound
from dataquality.core.fields import PathId
from dataquality.core.idempotency import Once
from dataquality.core.paging import Paging
from dataquality.core.session import ReadConnection, WriteSession, after_commit
from dataquality.dispatch.fields import Includes
from dataquality.dispatch.parts import Kick, LinkMaker, Shape
from dataquality.dispatch.reach import collaborations_of, require_rule
from dataquality.dispatch.result.render import ResultRenderer
from dataquality.dispatch.result.repository import results_of_tasks
from dataquality.dispatch.result.texts import TextsOfAnswer
from dataquality.dispatch.task import service
from dataquality.dispatch.task.policy import (
    CollaborationTaskViewer,
    TaskCreator,
    TaskDeleter,
    TaskLister,
    TaskViewer,
    require_scope,
)
from dataquality.dispatch.task.render import TaskRenderer
from dataquality.dispatch.task.repository import collaboration_exists, find_task, task_list
from dataquality.dispatch.task.schemas import TaskBody, TaskFilters
from dataquality.model import Operation

router = APIRouter()
_RESULTS = ("results", "result")


@router.get("/task")
async def list_tasks(
    caller: TaskLister,
    filters: Annotated[TaskFilters, Query()],
    page: Paging,
    connection: ReadConnection,
    links: LinkMaker,
    texts: TextsOfAnswer,
) -> Response:
    """Tasks that the caller may see, newest first."""
    rows, total = await task_list(caller, filters).fetch(connection, page)
    with_results = filters.includes(*_RESULTS)
    tasks = await _shown(caller, ResultRenderer(connection, links, texts), rows, with_results=with_results)
    return texts.filled(page.response(tasks, total))


@router.post("/task")
async def create_task(
    caller: TaskCreator,
    body: TaskBody,
    session: WriteSession,
    links: LinkMaker,
    kicker: Kick,
    check_shape: Shape,
    once: Once,
) -> Response:
    """A new task; the nodes are told once it is stored."""

    async def make() -> JSONResponse:
        row = await service.create(session, caller, body)
        connection = await session.connection()
        await check_shape(connection, row.collaboration_id, body.inputs())
        after_commit(session, kicker.kick)
        [task] = await TaskRenderer(connection, links).linked([row])
        return JSONResponse(task, 201)

    async def still() -> None:
        await service.require_still(session, caller, body)

    return await once.answer(session, caller, make, still)


@router.get("/task/{task_id:int}")
async def get_task(
    task_id: PathId,
    caller: TaskViewer,
    connection: ReadConnection,
    links: LinkMaker,
    texts: TextsOfAnswer,
    include: Includes = None,
) -> Response:
    """One task."""
    row = await find_task(connection, task_id, caller)
    if row is None:
        raise NotFound(f"There is no task with the id {task_id}.")
    if not row.readable:
        raise forbidden("task", Operation.VIEW)
    with_results = bool(include) and include[0] in _RESULTS
    [task] = await _shown(caller, ResultRenderer(connection, links, texts), [row], with_results=with_results)
    return texts.filled(JSONResponse(task))


@router.delete("/task/{task_id:int}")
async def delete_task(task_id: PathId, caller: TaskDeleter, session: WriteSession, kicker: Kick) -> JSONResponse:
    """Delete a task, its results and its subtasks."""
    await service.remove(session, caller, task_id)
    after_commit(session, kicker.kick)
    return JSONResponse({"msg": f"Task {task_id} was deleted, with its results and subtasks."})


@router.get("/collaboration/{collaboration_id:int}/task")
async def list_tasks_of_collaboration(
    collaboration_id: PathId,
    caller: CollaborationTaskViewer,
    page: Paging,
    connection: ReadConnection,
    links: LinkMaker,
    texts: TextsOfAnswer,
    include: Includes = None,
) -> Response:
    """The tasks of one collaboration, newest first."""
    if not await collaboration_exists(connection, collaboration_id):
        raise NotFound(f"There is no collaboration with the id {collaboration_id}.")
    require_scope(caller, Operation.VIEW, is_member=await _is_member(connection, caller, collaboration_id))
    rows, total = await task_list(caller, TaskFilters(collaboration_id=collaboration_id)).fetch(connection, page)
    with_results = any(word in _RESULTS for word in include or [])
    tasks = await _shown(caller, ResultRenderer(connection, links, texts), rows, with_results=with_results)
    return texts.filled(page.response(tasks, total))


async def _is_member(connection: AsyncConnection, caller: Caller, collaboration_id: int) -> bool:
    return collaboration_id in (await connection.scalars(collaborations_of(caller.organization_id))).all()


async def _shown(caller: Caller, renderer: ResultRenderer, rows: Any, *, with_results: bool) -> list[dict[str, Any]]:
    """Results need their own rule: seeing a task is not seeing what came back."""
    if with_results:
        require_rule(caller, "result")
    connection = renderer.connection
    tasks = TaskRenderer(connection, renderer.links)
    if not with_results or not rows:
        return await tasks.linked(rows)
    found = (await connection.execute(results_of_tasks(connection, [row.id for row in rows], caller))).all()
    results = await renderer.in_task(found)
    by_task: dict[int, list[dict[str, Any]]] = {row.id: [] for row in rows}
    for row, result in zip(found, results, strict=True):
        by_task[row.task_id].append(result)
    return [task | {"results": by_task[task["id"]]} for task in await tasks.bare(rows)]
