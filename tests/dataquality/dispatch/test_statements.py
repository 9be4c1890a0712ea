"""Lists cost the same number of statements, however long they are."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from dataquality.core.settings import Settings
from dataquality.dispatch.app import make_app
from support.collaborations import World
from support.services import Services

LISTS = (
    "/api/task", "/api/task?include=results", "/api/task?status=pending&page=1&per_page=50&include=metadata",
    "/api/result", "/api/result?include=task", "/api/result?state=open&page=1&per_page=50", "/api/port",
)  # fmt: skip


@pytest.fixture
def application(services: Services) -> Any:
    """The service in this process, on the running services' database and with their secrets."""
    settings = Settings(
        secrets=Path(services.environment["DATAQUALITY_SECRETS"]),
        component="dispatch",
        auth_url=services.addresses["auth"],
    )
    return make_app(settings)


@dataclass
class Counted:
    """Calls as one user, and the statements that the last call cost."""

    client: httpx.AsyncClient
    statements: list[str]

    async def get(self, path: str) -> httpx.Response:
        self.statements.clear()
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer


@asynccontextmanager
async def counting(application: Any, token: str | None) -> AsyncGenerator[Counted]:
    context = application.state.context
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(context.database.reads.sync_engine, "before_cursor_execute", count)
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://dispatch", headers=headers) as client:
        yield Counted(client, statements)
    await context.close()


async def test_lists_cost_the_same_for_one_row_and_for_many(world: World, application: Any):
    async with counting(application, world.researcher.token) as counted:

        async def cost(path: str) -> tuple[int, int]:
            answer = (await counted.get(path)).json()
            return len(answer["data"] if "metadata" in path else answer), len(counted.statements)

        def more() -> None:
            [result, _] = world.ask()["results"]
            world.sites[0].api.made("/port", {"port": 1000, "result_id": result["id"]})

        more()
        few = {path: await cost(path) for path in LISTS}
        for _ in range(4):
            more()
        many = {path: await cost(path) for path in LISTS}
    for path in LISTS:
        assert many[path][0] == 5 * few[path][0]
        assert many[path][1] == few[path][1] <= 10


async def test_one_task_is_polled_without_reading_what_was_answered(world: World, application: Any):
    task = world.ask()
    async with counting(application, world.researcher.token) as counted:
        await counted.get(f"/api/task/{task['id']}")
    assert len(counted.statements) <= 5
    assert not [statement for statement in counted.statements if "resultcontent" in statement]
