"""Paging, held against a plain account of what the contract says (rest-api.md, section 0.3)."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from hypothesis import given
from hypothesis import strategies as st

from dataquality.core.app import _shape_errors  # pyright: ignore[reportPrivateUsage]
from dataquality.core.paging import Paging


def list_of(total: int) -> FastAPI:
    app = FastAPI()
    _shape_errors(app)

    @app.get("/api/thing")
    async def things(page: Paging) -> JSONResponse:
        items = list(range(1, total + 1))
        if page.number is not None:
            start = (page.number - 1) * page.per_page
            items = items[start : start + page.per_page]
        return page.response([{"id": item} for item in items], total)

    return app


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        yield client


def link_header(response: httpx.Response) -> dict[str, str]:
    found = re.findall(r"<([^>]*)>; rel=([a-z]+)", response.headers["Link"])
    return {relation: link for link, relation in found}


def number_in(link: str) -> str:
    return dict(parse_qsl(urlsplit(link).query))["page"]


@given(total=st.integers(0, 60), number=st.integers(1, 12), per_page=st.integers(1, 15))
async def test_every_page_of_every_list_holds_what_a_plain_slice_holds(total: int, number: int, per_page: int):
    async with client_of(list_of(total)) as client:
        response = await client.get(f"/api/thing?page={number}&per_page={per_page}&include=metadata")
    pages = (total + per_page - 1) // per_page
    ids = [item["id"] for item in response.json()["data"]]
    assert ids == list(range(1, total + 1))[(number - 1) * per_page : number * per_page]
    assert response.headers["total-count"] == str(total)
    links = link_header(response)
    assert links == response.json()["links"]
    assert number_in(links["self"]) == str(number)
    assert number_in(links["first"]) == "1"
    assert ("previous" in links) == (number > 1)
    assert number == 1 or number_in(links["previous"]) == str(number - 1)
    assert ("next" in links) == (number < pages)
    assert ("last" in links) == (pages > 0)
    if pages:
        assert number_in(links["last"]) == str(pages)


async def test_without_a_page_all_rows_come_and_per_page_is_ignored():
    async with client_of(list_of(25)) as client:
        response = await client.get("/api/thing?per_page=3")
    assert len(response.json()) == 25


async def test_a_page_without_a_size_has_ten_rows():
    async with client_of(list_of(25)) as client:
        response = await client.get("/api/thing?page=2")
    assert [item["id"] for item in response.json()] == list(range(11, 21))


async def test_links_keep_repeated_query_values_and_are_a_path_without_a_host():
    async with client_of(list_of(25)) as client:
        response = await client.get("/api/thing?include=results&include=metadata&name=a%25&page=1&per_page=20")
    link = str(response.json()["links"]["next"])
    assert link.startswith("/api/thing?")
    query = parse_qsl(urlsplit(link).query)
    assert [value for key, value in query if key == "include"] == ["results", "metadata"]
    assert ("name", "a%") in query


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=1.5",
        "page=",
        "page=1&per_page=",
        "page=1&per_page=0",
        "page=²",
        "page=" + "9" * 40,
    ],
)
async def test_a_page_that_is_no_whole_number_from_one_is_a_bad_request(query: str):
    async with client_of(list_of(3)) as client:
        response = await client.get(f"/api/thing?{query}")
    assert response.status_code == 400
    body: dict[str, Any] = response.json()
    assert "whole number" in body["msg"]
