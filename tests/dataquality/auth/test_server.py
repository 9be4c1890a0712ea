"""Health and version (rest-api.md 3.5), and what a list costs."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest

from support.arrange import Arrangement
from support.databases import SqliteFiles
from support.services import Api, Services, running_services
from support.valkey import ValkeyServer


def test_health_says_that_the_database_answers(services: Services) -> None:
    response = services.anyone.get("/health")
    assert (response.status_code, response.json()) == (200, {"database": True})


def test_version_is_three_numbers(services: Services) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", services.anyone.get("/version").json()["version"])


@pytest.mark.parametrize("path", ["/recover/lost", "/recover/reset", "/recover/node", "/token/unknown"])
def test_what_does_not_exist_yet_is_a_404_in_json(services: Services, path: str) -> None:
    response = services.anyone.post(path, json={})
    assert response.status_code == 404
    assert isinstance(response.json()["msg"], str)


@pytest.mark.parametrize("noun", ["user", "role", "rule"])
def test_a_longer_list_takes_no_more_statements(
    noun: str, sqlite_files: SqliteFiles, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    told = {"DATAQUALITY_LOGGING__LOGGERS": json.dumps([{"name": "sqlalchemy.engine", "level": "INFO"}])}
    with (
        sqlite_files.migrated_database() as url,
        running_services(tmp_path, url, valkey_server.database(15), ("auth",), told) as services,
    ):
        there = Arrangement(services)
        root = there.signed_in(1)
        organization = there.organization()
        roles = [there.global_role(f"role-{number}") for number in range(20)]
        for _ in range(20):
            there.user(organization, roles=roles, grants=[("node", "VIEW", "GLOBAL"), ("task", "VIEW", "GLOBAL")])
        few = statements(services, root, f"/{noun}?page=1&per_page=1")
        many = statements(services, root, f"/{noun}?page=1&per_page=100")
        assert 0 < many == few < 12


async def test_many_callers_at_once_are_all_answered(services: Services, there: Arrangement) -> None:
    url, headers = f"{services.addresses['auth']}/api/rule/1", {"Authorization": f"Bearer {there.token(1, 'user')}"}
    async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False, limits=httpx.Limits()) as client:
        answers = await asyncio.gather(*(client.get(url) for _ in range(100)))
    assert [answer.status_code for answer in answers] == [200] * 100


def statements(services: Services, api: Api, path: str) -> int:
    before = services.log("auth").count("SELECT ")
    assert api.get(path).status_code == 200
    return services.log("auth").count("SELECT ") - before
