"""What other services ask: the rights of one identity."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from dataquality.auth.rights.source import read_rights
from dataquality.core.errors import NotFound
from dataquality.core.fields import PathId
from dataquality.core.internal import CallingService
from dataquality.core.permissions import IdentityKind
from dataquality.core.session import ReadConnection

router = APIRouter(prefix="/internal/permissions")


@router.get("/{kind}/{identity}")
async def permissions(
    kind: IdentityKind, identity: PathId, _service: CallingService, connection: ReadConnection
) -> JSONResponse:
    """Grants and stamp; 404 when there is no such identity."""
    found = await read_rights(connection, kind, identity)
    if found is None:
        raise NotFound(f"There is no {kind} with the id {identity}.")
    return JSONResponse(found.to_json())
