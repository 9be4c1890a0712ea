"""Routes for the other services; the gateway does not lead here."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import select

from dataquality.core.fields import PathId
from dataquality.core.internal import CallingService
from dataquality.core.session import WriteSession, after_commit
from dataquality.dispatch.ending import end_results
from dataquality.dispatch.parts import Kick
from dataquality.dispatch.states import Ending
from dataquality.model import Result, Task

router = APIRouter(prefix="/internal")


@router.post("/collaborations/{collaboration_id:int}/end")
async def end_collaboration(
    collaboration_id: PathId, _service: CallingService, session: WriteSession, kicker: Kick
) -> JSONResponse:
    """End the open results of a collaboration; answers how many. A collaboration that is gone has none."""
    tasks = select(Task.id).where(Task.collaboration_id == collaboration_id)
    ended = await end_results(session, Ending.KILLED, Result.task_id.in_(tasks))
    after_commit(session, kicker.kick)
    return JSONResponse({"ended": len(ended)})
