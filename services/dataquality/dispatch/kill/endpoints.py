"""Routes that end what runs."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from dataquality.core.session import WriteSession, after_commit
from dataquality.dispatch.kill import service
from dataquality.dispatch.kill.policy import Killer
from dataquality.dispatch.kill.schemas import KillBody
from dataquality.dispatch.parts import Kick

router = APIRouter(prefix="/kill")


@router.post("/task")
async def kill_task(caller: Killer, body: KillBody, session: WriteSession, kicker: Kick) -> JSONResponse:
    """End a task and its subtasks."""
    told = await service.end_task(session, caller, body.id)
    after_commit(session, kicker.kick)
    return JSONResponse(told.to_json(f"Task {body.id} was killed, and all below it."))


@router.post("/node/tasks")
async def kill_tasks_of_node(caller: Killer, body: KillBody, session: WriteSession, kicker: Kick) -> JSONResponse:
    """End all tasks on one node."""
    told = await service.end_tasks_of_node(session, caller, body.id)
    after_commit(session, kicker.kick)
    return JSONResponse(told.to_json(f"What was open for node {body.id} was killed."))
