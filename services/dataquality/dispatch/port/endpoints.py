"""Routes of ports."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from dataquality.core.callers import forbidden
from dataquality.core.errors import NotFound
from dataquality.core.fields import PathId
from dataquality.core.idempotency import Once
from dataquality.core.paging import Paging
from dataquality.core.session import ReadConnection, WriteSession
from dataquality.dispatch.fields import FilterId
from dataquality.dispatch.port import service
from dataquality.dispatch.port.policy import PortKeeper, PortLister, PortViewer
from dataquality.dispatch.port.schemas import PortBody, PortFilters
from dataquality.model import Operation

router = APIRouter(prefix="/port")


@router.get("")
async def list_ports(
    caller: PortLister, filters: Annotated[PortFilters, Query()], page: Paging, connection: ReadConnection
) -> JSONResponse:
    """Ports that the caller may see, newest first."""
    rows, total = await service.port_list(caller, filters).fetch(connection, page)
    return page.response([service.show(row) for row in rows], total)


@router.get("/{port_id:int}")
async def get_port(port_id: PathId, caller: PortViewer, connection: ReadConnection) -> JSONResponse:
    """One port."""
    row = await service.find_port(connection, port_id, caller)
    if row is None:
        raise NotFound(f"There is no port with the id {port_id}.")
    if not row.readable:
        raise forbidden("port", Operation.VIEW)
    return JSONResponse(service.show(row))


@router.post("")
async def open_port(caller: PortKeeper, body: PortBody, session: WriteSession, once: Once) -> Response:
    """A port that an algorithm has open from now on."""

    async def make() -> JSONResponse:
        return JSONResponse(service.show(await service.open_port(session, caller, body)), 201)

    async def still() -> None:
        await service.require_own(session, caller, body.result_id)

    return await once.answer(session, caller, make, still)


@router.delete("")
async def close_ports(
    caller: PortKeeper, result_id: Annotated[FilterId, Query()], session: WriteSession
) -> JSONResponse:
    """The ports of a result are closed; nodes say so after each container, also where none was open."""
    await service.close_ports(session, caller, result_id)
    return JSONResponse({"msg": f"Result {result_id} has no open port."})
