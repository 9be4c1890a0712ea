"""Health and version, for everybody."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from dataquality import __version__
from dataquality.auth.parts import OurContext

router = APIRouter()


@router.get("/health")
async def health(context: OurContext) -> JSONResponse:
    """Always 200, as monitors of the older server expect; whether this service is ready, /internal/ready says."""
    try:
        await context.database.ping()
    except (SQLAlchemyError, OSError):
        return JSONResponse({"database": False})
    return JSONResponse({"database": True})


@router.get("/version")
async def version() -> JSONResponse:
    """The version of the server."""
    return JSONResponse({"version": __version__})
