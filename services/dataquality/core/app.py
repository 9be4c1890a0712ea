"""A service's application: routes, one error shape, request ids, health, metrics."""

import re
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, Histogram, generate_latest
from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from dataquality import __version__
from dataquality.core.bodies import BodyMiddleware
from dataquality.core.callers import TokenMiddleware
from dataquality.core.context import Context
from dataquality.core.errors import ApiError
from dataquality.core.internal import CallingService
from dataquality.core.openapi.describe import describe
from dataquality.core.openapi.described import Table
from dataquality.core.problems import problems_by_field
from dataquality.core.redis import ping
from dataquality.core.request_log import RequestLog
from dataquality.core.watchdog import loop_watched

log = structlog.stdlib.get_logger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_TOO_MANY_DIGITS = 1000
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_NOTHING = "There is nothing at this address."
_SECONDS = Histogram(
    "dataquality_request_seconds", "Time to answer a request", ["service", "method", "route", "status"]
)
Starter = Callable[[Context], Awaitable[None]]
Checks = Mapping[str, Callable[[], Awaitable[None]]]
"""What must answer, or raises OSError, before a service is ready; by what it is called in the answer."""


def create_app(
    context: Context,
    *routers: APIRouter,
    described: Table | None = None,
    on_start: Starter | None = None,
    on_stop: Starter | None = None,
    large_bodies: str | None = None,
    checks: Checks | None = None,
) -> FastAPI:
    """An application with these routes below the API path, and the internal ones that every service has.

    The context is closed when the application ends, after `on_stop`. `large_bodies` is a pattern of the paths below
    the API path whose bodies may have `max_body_mib`; all others have a mebibyte at most. `described` tells of each
    route what its types do not say. `checks` are beside those of the database and Redis.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        with loop_watched():
            if on_start:
                await on_start(context)
            yield
            if on_stop:
                await on_stop(context)
            await context.close()
            request_log.end_window()

    settings = context.settings
    request_log = RequestLog(settings)
    app = FastAPI(
        title=f"dataquality {settings.component}",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    for router in routers:
        app.include_router(router, prefix="" if router.prefix.startswith("/internal") else settings.api_path)
    app.include_router(_internal(context, checks or {}))
    app.state.description = partial(describe, app, settings.api_path, described or {})
    app.add_api_route("/internal/openapi.json", _description, include_in_schema=False)
    _shape_errors(app)
    large = re.compile(re.escape(settings.api_path) + f"(?:{large_bodies})") if large_bodies else None
    app.add_middleware(BodyMiddleware, context=context, large=large, refuse=_shaped)
    app.add_middleware(TokenMiddleware, context=context)
    app.add_middleware(MethodMiddleware)
    app.add_middleware(RequestMiddleware, service=settings.component, request_log=request_log)
    return app


class RequestMiddleware:
    """Gives each request its id, one line in the log, and its time in the metrics."""

    def __init__(self, app: Any, service: str, request_log: RequestLog) -> None:
        self._app = app
        self._service = service
        self._log = request_log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message["headers"], request_id)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # the edge: whatever nobody understood is logged here and shaped
            log.error("fault", exc_info=error)
            if not status:
                await _fault()(scope, receive, send_with_id)
        finally:
            self._tell(scope, status or 500, time.perf_counter() - started)
            structlog.contextvars.unbind_contextvars("request_id")

    def _tell(self, scope: Any, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        _SECONDS.labels(self._service, scope["method"], route, status).observe(seconds)
        self._log.write(scope, status, seconds)


class MethodMiddleware:
    """Answers HEAD as GET, whose body the server leaves out, and 404 to ids that are longer than numbers can be."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif any(len(part) >= _TOO_MANY_DIGITS and part.isdecimal() for part in scope["path"].split("/")):
            # Python refuses to read them as a number, and would do so while the route is looked for.
            await error_response(404, "not_found", _NOTHING)(scope, receive, send)
        elif scope["method"] == "HEAD":
            # A copy: the server must go on knowing that it was HEAD.
            asked = scope | {"method": "GET"}
            await self._app(asked, receive, send)
            scope["route"] = asked.get("route")
        else:
            await self._app(scope, receive, send)


def _completed(headers: Any, request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of every reply: nobody guesses what it is, and nobody keeps it, since many hold tokens or data."""
    kept = [] if any(name.lower() == b"cache-control" for name, _ in headers) else [(b"cache-control", b"no-store")]
    return [*headers, *kept, (b"x-content-type-options", b"nosniff"), (b"x-request-id", request_id.encode())]


def _request_id(scope: Any) -> str:
    # The gateway sets it; what reaches a service past the gateway gets one here.
    given = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"x-request-id"), "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _internal(context: Context, checks: Checks) -> APIRouter:
    router = APIRouter(prefix="/internal")

    async def live() -> Response:
        return JSONResponse({"live": True})

    async def ready() -> Response:
        failed = [
            name
            for name, check in {
                "database": context.database.ping,
                "redis": partial(ping, context.redis),
                **checks,
            }.items()
            if not await _answers(check)
        ]
        return JSONResponse({"ready": not failed, "failed": failed}, 503 if failed else 200)

    async def metrics(_service: CallingService) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    router.add_api_route("/live", live)
    router.add_api_route("/ready", ready)
    router.add_api_route("/metrics", metrics)
    return router


async def _description(request: Request, _service: CallingService) -> Response:
    return JSONResponse(request.app.state.description())


async def _answers(check: Callable[[], Any]) -> bool:
    try:
        await check()
    except (SQLAlchemyError, RedisError, OSError, TimeoutError) as error:
        log.warning("a part does not answer", error=f"{type(error).__name__}")
        return False
    return True


def _shape_errors(app: FastAPI) -> None:
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(IntegrityError, _conflict)
    app.add_exception_handler(DataError, _unstorable)
    for unreachable in (OperationalError, PoolTimeout, DBAPIError):
        app.add_exception_handler(unreachable, _database_error)


def error_response(
    status: int, code: str, msg: str, fields: Any = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The one shape of an error: `msg` for people, `code` for programs, `message` with a text per field."""
    body: dict[str, Any] = {"msg": msg, "code": code}
    if fields:
        body["message"] = dict(fields)
    return JSONResponse(body, status, headers)


async def _api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _shaped(error)


def _shaped(error: ApiError) -> Response:
    return error_response(error.status, error.code, error.msg, error.fields, error.headers())


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(problem["type"] == "json_invalid" for problem in error.errors()):
        return error_response(400, "bad_request", "The body is not valid JSON.")
    fields = problems_by_field(error.errors(), error.body)
    text = "; ".join(f"{field}: {msg}" for field, msg in fields.items())
    return error_response(400, "bad_request", f"The request is not valid. {text}", fields)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return _other_methods(request)
    if error.status_code == 400:
        # The framework's own, for a body that is not even text.
        return error_response(400, "bad_request", "The body is not valid JSON.")
    text = _NOTHING if error.status_code == 404 else str(error.detail)
    return error_response(error.status_code, "http_error", text, headers=dict(error.headers or {}))


def _other_methods(request: Request) -> Response:
    """What this address does take: as an error, or as the answer to OPTIONS, which asks just that."""
    found = [method for method in _METHODS if _leads_somewhere(request, method)]
    allowed = ", ".join([*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"])
    if request.method == "OPTIONS":
        return JSONResponse({"msg": f"This address takes {allowed}."}, headers={"Allow": allowed})
    text = f"This address does not take that method, but {allowed}."
    return error_response(405, "http_error", text, headers={"Allow": allowed})


def _leads_somewhere(request: Request, method: str) -> bool:
    # The framework's own list is of the first route with this path; there is a route for each method.
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


async def _conflict(_request: Request, error: Exception) -> Response:
    log.info("conflict", error=type(error).__name__)
    return error_response(
        400,
        "conflict",
        "This clashes with something that is there already, or refers to something that is gone.",
    )


async def _unstorable(_request: Request, error: Exception) -> Response:
    log.info("unstorable value", error=type(error).__name__)
    return error_response(
        400, "bad_request", "The request holds a value that the database cannot take, such as a zero character."
    )


async def _database_error(_request: Request, error: Exception) -> Response:
    log.error("the database did not answer", error=f"{type(error).__name__}: {error}".splitlines()[0])
    return error_response(
        503,
        "unavailable",
        "The database does not answer at the moment. Nothing was changed; try again soon.",
        headers={"Retry-After": "2"},
    )


def _fault() -> Response:
    return error_response(500, "fault", "The server made a mistake. Its log tells more under this request's id.")
