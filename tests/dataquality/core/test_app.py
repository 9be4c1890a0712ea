"""What every service has in common, seen through a small service of the test's own on a real database and Redis."""

import logging
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError
from starlette.responses import Response

from dataquality.core.app import create_app
from dataquality.core.callers import Caller, NodeCaller, UserCaller, caller_of, permitted
from dataquality.core.context import Context, make_context
from dataquality.core.database import Database
from dataquality.core.errors import BadRequest
from dataquality.core.large_texts import LargeTexts
from dataquality.core.logs import set_up_logging
from dataquality.core.permissions import Grant, IdentityKind, Permissions
from dataquality.core.session import ReadConnection, WriteSession, after_commit
from dataquality.core.settings import LoggingSettings, Settings
from dataquality.model import Operation, Organization, Scope, User
from support.valkey import ValkeyServer

router = APIRouter()
committed: list[str] = []


class Body(BaseModel):
    name: str


@router.post("/organization")
async def make(body: Body, session: WriteSession) -> JSONResponse:
    await session.execute(insert(Organization).values(name=body.name))

    async def note() -> None:
        committed.append(body.name)

    after_commit(session, note)
    if body.name.startswith("refuse"):
        raise BadRequest("not this one")
    return JSONResponse({"name": body.name}, 201)


@router.post("/clash")
async def clash(session: WriteSession) -> JSONResponse:
    """Two users of one name: the database objects, in the handler or at the latest at the commit."""
    for _ in range(2):
        session.add(User(username="twin", password="", organization_id=1))
    return JSONResponse({}, 201)


@router.get("/organization")
async def names(connection: ReadConnection) -> JSONResponse:
    return JSONResponse([row.name for row in await connection.execute(select(Organization.name))])


@router.get("/fault")
async def fault() -> JSONResponse:
    raise RuntimeError("a secret detail")


@router.get("/large")
async def large() -> Response:
    """A text that cannot be fetched when the answer is to be sent."""

    async def load(_keys: Sequence[int]) -> list[str | None]:
        raise OperationalError("SELECT 1", {}, OSError("the database is away"))

    texts = LargeTexts[int](load, lambda _size: nullcontext())
    return texts.filled(JSONResponse({"text": texts.later(1, 2_000_000)}))


@router.get("/users-only")
async def users_only(caller: Annotated[Caller, caller_of(UserCaller)]) -> JSONResponse:
    return JSONResponse({"id": caller.id, "organization": caller.organization_id})


@router.get("/viewers-of-nodes")
async def viewers(
    caller: Annotated[Caller, permitted("node", Operation.VIEW, UserCaller, NodeCaller)],
) -> JSONResponse:
    return JSONResponse(sorted(scope.name for scope in caller.scopes("node", Operation.VIEW)))


class FixedPermissions:
    def __init__(self) -> None:
        self.grants: frozenset[Grant] = frozenset()

    async def permissions(self, kind: IdentityKind, identity: int, stamp: int) -> Permissions:
        return Permissions(self.grants)


class Service:
    def __init__(self, context: Context, client: httpx.AsyncClient, permissions: FixedPermissions) -> None:
        self.context = context
        self.client = client
        self.permissions = permissions

    def headers(self, subject: int, client_type: str = "user", token_type: Any = "access") -> dict[str, str]:
        assert self.context.tokens
        return {"Authorization": f"Bearer {self.context.tokens.issue(subject, client_type, token_type, None).text}"}


@pytest.fixture
async def service(database_url: str, valkey_server: ValkeyServer, tmp_path: Path) -> AsyncGenerator[Service]:
    async with running(database_url, valkey_server.database(3), tmp_path) as running_service:
        yield running_service


@asynccontextmanager
async def running(database_url: str, redis_url: str, folder: Path) -> AsyncGenerator[Service]:
    secrets = {
        "database_url": database_url,
        "redis_url": redis_url,
        "jwt_secret_key": "j" * 40,
        "service_key": "s" * 40,
    }
    for name, value in secrets.items():
        (folder / name).write_text(value)
    settings = Settings(secrets=folder, component="small")
    context = make_context(settings)
    permissions = FixedPermissions()
    context.permissions = permissions
    app = create_app(context, router)
    transport = httpx.ASGITransport(app)
    with logging_as(settings):
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            yield Service(context, client, permissions)
        await context.close()


@contextmanager
def logging_as(settings: Settings) -> Generator[None]:
    """Log as a service does (its libraries' own way of showing a fault takes seconds), until the block ends."""
    handlers = logging.getLogger().handlers[:]
    set_up_logging(settings)
    try:
        yield
    finally:
        logging.getLogger().handlers[:] = handlers


async def test_what_a_handler_wrote_is_there_when_the_answer_is(service: Service):
    response = await service.client.post("/api/organization", json={"name": "written"})
    assert response.status_code == 201
    assert "written" in (await service.client.get("/api/organization")).json()
    assert "written" in committed


async def test_a_refused_request_leaves_nothing_and_runs_nothing(service: Service):
    response = await service.client.post("/api/organization", json={"name": "refuse-me"})
    assert response.status_code == 400
    assert "refuse-me" not in (await service.client.get("/api/organization")).json()
    assert "refuse-me" not in committed


async def test_a_commit_that_fails_is_told_to_the_caller(service: Service):
    response = await service.client.post("/api/clash")
    assert response.status_code == 400
    assert response.json()["code"] == "conflict"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"json": {}}, "name"),
        ({"json": {"name": 5}}, "name"),
        ({"json": ["name"]}, "not valid"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "JSON"),
        ({"content": b"name=x"}, "not valid"),
        ({}, "not valid"),
    ],
)
async def test_a_wrong_body_is_a_bad_request_that_says_what_is_wrong(
    service: Service, arguments: dict[str, Any], text: str
):
    response = await service.client.post("/api/organization", **arguments)
    assert response.status_code == 400
    assert text in response.json()["msg"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/organization/", 404),
        ("PUT", "/api/organization", 405),
        ("GET", "/api/fault", 500),
    ],
)
async def test_every_error_is_json_with_a_text_and_its_length(service: Service, method: str, path: str, status: int):
    response = await service.client.request(method, path)
    assert response.status_code == status
    assert isinstance(response.json()["msg"], str)
    assert response.headers["Content-Length"] == str(len(response.content))


async def test_a_fault_tells_nothing_of_the_inside(service: Service):
    assert "secret detail" not in (await service.client.get("/api/fault")).text


async def test_without_a_token_the_answer_is_401_and_says_what_is_needed(service: Service):
    response = await service.client.get("/api/users-only")
    assert response.status_code == 401
    assert "Bearer" in response.json()["msg"]


async def test_a_malformed_token_is_422(service: Service):
    response = await service.client.get("/api/users-only", headers={"Authorization": "Bearer x.y.z"})
    assert response.status_code == 422


async def test_a_refresh_token_does_not_serve_for_access(service: Service):
    response = await service.client.get("/api/users-only", headers=service.headers(1, token_type="refresh"))
    assert response.status_code == 422


async def test_a_user_is_known_by_its_row(service: Service):
    response = await service.client.get("/api/users-only", headers=service.headers(1))
    assert response.status_code == 200
    assert response.json() == {"id": 1, "organization": 1}


async def test_the_token_of_one_who_is_gone_or_of_another_kind_is_worth_nothing(service: Service):
    assert (await service.client.get("/api/users-only", headers=service.headers(4711))).status_code == 401
    assert (await service.client.get("/api/users-only", headers=service.headers(1, "node"))).status_code == 401


async def test_a_missing_rule_is_a_401_that_names_what_is_missing(service: Service):
    response = await service.client.get("/api/viewers-of-nodes", headers=service.headers(1))
    assert response.status_code == 401
    assert "view" in response.json()["msg"]
    service.permissions.grants = frozenset({Grant("node", Scope.ORGANIZATION, Operation.VIEW)})
    response = await service.client.get("/api/viewers-of-nodes", headers=service.headers(1))
    assert response.json() == ["ORGANIZATION"]


async def test_a_request_keeps_the_id_that_the_gateway_gave_it(service: Service):
    given_id = "0f0e0d0c-1111-4222-8333-444455556666"
    response = await service.client.get("/api/organization", headers={"X-Request-Id": given_id})
    assert response.headers["X-Request-Id"] == given_id
    assert len((await service.client.get("/api/organization")).headers["X-Request-Id"]) == 36


@pytest.mark.parametrize("path", ["/internal/metrics", "/internal/openapi.json"])
async def test_what_a_service_tells_of_itself_is_for_the_other_services(service: Service, path: str):
    assert (await service.client.get(path)).status_code == 401
    for headers in (service.headers(1), {"Authorization": "Bearer x"}):
        assert (await service.client.get(path, headers=headers)).status_code == 422
    token = service.context.service_key.issue_for("service", "entity", timedelta(seconds=60)).text
    answer = await service.client.get(path, headers={"Authorization": f"Bearer {token}"})
    # These routes are not described, which makes a document of them a fault.
    assert answer.status_code == (200 if path.endswith("metrics") else 500)


async def test_ready_means_that_database_and_redis_answer(service: Service):
    assert (await service.client.get("/internal/ready")).json() == {"ready": True, "failed": []}
    await service.context.database.close()
    service.context.database = Database("postgresql+psycopg://nobody:x@127.0.0.1:1/nothing")
    response = await service.client.get("/internal/ready")
    assert response.status_code == 503
    assert response.json()["failed"] == ["database"]


async def test_a_database_that_does_not_answer_is_503_and_not_401(service: Service):
    headers = service.headers(1)
    await service.context.database.close()
    service.context.database = Database("postgresql+psycopg://nobody:x@127.0.0.1:1/nothing")
    response = await service.client.get("/api/users-only", headers=headers)
    assert response.status_code == 503
    assert response.headers["Retry-After"]


async def test_a_database_that_goes_away_before_a_large_answer_has_begun_is_503(service: Service):
    response = await service.client.get("/api/large")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


async def test_every_line_of_a_request_carries_its_id_whatever_the_format(service: Service, tmp_path: Path):
    file = tmp_path / "server.log"
    logged = LoggingSettings(file=file, use_console=False, format="> %(message)s")
    with logging_as(Settings(component="small", logging=logged)):
        await service.client.get("/api/fault", headers={"X-Request-Id": "11111111-2222-4333-8444-555555555555"})
    lines = [line for line in file.read_text().splitlines() if line.startswith("> ")]
    assert lines
    assert all("request_id=11111111-2222-4333-8444-555555555555" in line for line in lines)
