"""Health and version (rest-api.md 3.5), and what a list costs."""

import asyncio
import re

import httpx

from support.arrange import Arrangement
from support.services import Services


def test_health_says_that_the_database_answers(services: Services) -> None:
    response = services.anyone.get("/health")
    assert (response.status_code, response.json()) == (200, {"database": True})


def test_version_is_three_numbers(services: Services) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", services.anyone.get("/version").json()["version"])


def test_what_does_not_exist_is_a_404_in_json(services: Services) -> None:
    response = services.anyone.post("/token/unknown", json={})
    assert response.status_code == 404
    assert isinstance(response.json()["msg"], str)


async def test_many_callers_at_once_are_all_answered(services: Services, there: Arrangement) -> None:
    url, headers = f"{services.addresses['auth']}/api/rule/1", {"Authorization": f"Bearer {there.token(1, 'user')}"}
    async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False, limits=httpx.Limits()) as client:
        answers = await asyncio.gather(*(client.get(url) for _ in range(100)))
    assert [answer.status_code for answer in answers] == [200] * 100
