"""The description of the whole API, and a page to read it and to try it; both for everybody, and without internet."""

from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse, Response

from dataquality.auth.openapi.merge import WholeDescription
from dataquality.auth.parts import OurContext
from dataquality.core.errors import NotFound

router = APIRouter(include_in_schema=False)
_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_DAY = {"Cache-Control": "max-age=86400"}


@router.get("/openapi.json")
async def document(request: Request, context: OurContext) -> JSONResponse:
    """All routes of all services."""
    whole = context.parts.setdefault(WholeDescription, WholeDescription())
    return JSONResponse(await whole.read(context, request.app.state.description()))


@router.get("/docs")
async def page(context: OurContext) -> Response:
    """Shows the document; loads nothing from elsewhere."""
    api = context.settings.api_path
    return get_swagger_ui_html(
        openapi_url=f"{api}/openapi.json",
        title="dataquality API",
        swagger_js_url=f"{api}/docs/swagger-ui-bundle.js",
        swagger_css_url=f"{api}/docs/swagger-ui.css",
        swagger_favicon_url="data:,",
        oauth2_redirect_url=None,
    )


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """A file of the page."""
    if name not in _FILES:
        raise NotFound("The page has no such file.")
    content = (files("fastapi_offline") / "static" / name).read_bytes()
    return Response(content, media_type=_FILES[name], headers=_DAY)
