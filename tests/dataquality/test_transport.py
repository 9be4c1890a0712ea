"""How answers travel: through the real gateway from the real services, as clients see them (rest-api.md, 0.1, 0.2)."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.gateway import Server, behind_gateway
from support.services import ROOT, Services, unique

BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd", "Origin": "https://ui.example"}


@pytest.fixture(scope="module")
def server(services_on_sqlite: Services) -> Iterator[Server]:
    with behind_gateway(services_on_sqlite) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    token = server.services.login(*ROOT).token
    headers = BROWSER | {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def large(services_on_sqlite: Services) -> str:
    """The path of an organization that takes more than a buffer full."""
    root = services_on_sqlite.login(*ROOT)
    made = root.made("/organization", {"name": unique("large"), "address1": "wide " * 100_000})
    return f"/api/organization/{made['id']}"


def whole(answer: httpx.Response) -> Any:
    """The body of an answer that came with its length, as it is, for everybody to read."""
    assert "transfer-encoding" not in answer.headers
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    assert answer.headers["x-request-id"]
    return answer.json()


LISTS = ("user", "role", "rule", "organization", "collaboration", "node", "task", "result", "port")


@pytest.mark.parametrize("path", [*(f"/api/{noun}" for noun in LISTS), "/api/rule/1", "/api/version", "/api/health"])
def test_an_answer_comes_with_its_length_and_uncompressed(client: httpx.Client, path: str):
    answer = client.get(path)
    assert answer.status_code == 200
    whole(answer)


def test_a_large_answer_too(client: httpx.Client, large: str):
    assert len(whole(client.get(large))["address1"]) == 500_000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api", 404),
        ("GET", "/api/", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/user/", 404),
        ("GET", "/api/user/1/", 404),
        ("GET", "/api/organization/", 404),
        ("GET", "/api/task/", 404),
        ("GET", "/api/user/one", 404),
        ("GET", "/api/user/-1", 404),
        ("GET", "/api/user/1.5", 404),
        ("GET", "/api/user/99999999", 404),
        ("GET", "/api/node/" + "9" * 30, 404),
        ("GET", "/api/task/" + "9" * 5000, 404),
        ("GET", "/api/role/1/nothing", 404),
        ("GET", "/internal/ready", 404),
        ("GET", "/api/internal/ready", 404),
        ("GET", "/api/health/fix", 404),
        ("PUT", "/api/user", 405),
        ("DELETE", "/api/user", 405),
        ("POST", "/api/rule", 405),
        ("PATCH", "/api/task/1", 405),
        ("DELETE", "/api/organization/1", 405),
        ("GET", "/api/token/user", 405),
        ("GET", "/api/kill/task", 405),
        ("NONSENSE", "/api/user", 405),
        ("GET", "/api/user?page=0", 400),
        ("GET", "/api/user?organization_id=x", 400),
        ("GET", "/api/user?username=%00", 400),
        ("GET", "/api/node?last_seen_from=0001-01-01T00:00:00%2B23:00", 400),
        ("GET", "/api/collaboration?encrypted=maybe", 400),
        ("GET", "/api/rule?operation=view", 400),
        ("POST", "/api/organization", 400),
        ("GET", "/api/user/\u00e4", 404),
    ],
)
def test_every_refusal_is_json_with_a_text(client: httpx.Client, method: str, path: str, status: int):
    answer = client.request(method, path)
    assert answer.status_code == status
    text = whole(answer)["msg"]
    assert isinstance(text, str)
    assert text


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/user", {"GET", "POST"}),
        ("/api/user/1", {"GET", "PATCH", "DELETE"}),
        ("/api/collaboration/1/organization", {"GET", "POST", "DELETE"}),
        ("/api/role/1/rule/1", {"POST", "DELETE"}),
        ("/api/task", {"GET", "POST"}),
        ("/api/result/1", {"GET", "PATCH"}),
        ("/api/token/user", {"POST"}),
        ("/api/version", {"GET"}),
    ],
)
def test_a_wrong_method_is_told_all_the_right_ones(client: httpx.Client, path: str, methods: set[str]):
    wanted = methods | ({"HEAD"} if "GET" in methods else set[str]()) | {"OPTIONS"}
    refused, asked = client.put(path), client.request("OPTIONS", path)
    assert (refused.status_code, asked.status_code) == (405, 200)
    for answer in (refused, asked):
        whole(answer)
        assert set(answer.headers["allow"].split(", ")) == wanted


@pytest.mark.parametrize("path", ["/api/rule/1", "/api/user", "/api/version", "/api/user/99999999", "/api/nothing"])
def test_a_head_is_the_head_of_the_answer_to_get(client: httpx.Client, path: str):
    asked, got = client.head(path), client.get(path)
    assert (asked.status_code, asked.content) == (got.status_code, b"")
    different = {"date", "x-request-id"}
    assert {key: value for key, value in asked.headers.items() if key not in different} == {
        key: value for key, value in got.headers.items() if key not in different
    }


@pytest.mark.parametrize("path", ["/api/user", "/api/task/1", "/api/nothing"])
def test_a_browser_may_ask_before_it_sends_a_token(server: Server, path: str):
    asking = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    answer = httpx.options(server.url + path, headers=BROWSER | asking, timeout=30, trust_env=False)
    assert answer.is_success
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization"


def test_a_browser_may_read_how_many_there_are_and_where_they_go_on(client: httpx.Client):
    answer = client.get("/api/rule?page=1")
    shown = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"total-count", "link", "jwt-token", "retry-after", "x-request-id"} <= shown


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"name": "\xff"}', b"[" * 100_000]
)
def test_a_body_that_is_no_json_object_is_a_bad_request(client: httpx.Client, content: bytes):
    for path in ("/api/role", "/api/organization", "/api/task", "/api/token/user"):
        answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, path
        whole(answer)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_a_body_of_another_kind_is_a_bad_request(client: httpx.Client, kind: str):
    answer = client.post("/api/organization", content=b'{"name": "x"}', headers={"Content-Type": kind})
    assert answer.status_code == 400
    whole(answer)


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Basic cm9vdDpyb290", "x", "Bearer a.b.c"])
def test_a_token_that_is_none_is_told_so(server: Server, header: str):
    for noun in ("user", "node", "task"):
        headers = BROWSER | {"Authorization": header}
        answer = httpx.get(f"{server.url}/api/{noun}", headers=headers, timeout=30, trust_env=False)
        assert answer.status_code == 422
        whole(answer)


def test_a_delete_takes_its_body_along(client: httpx.Client, services_on_sqlite: Services):
    root = services_on_sqlite.login(*ROOT)
    organization = root.made("/organization", {"name": unique("org")})["id"]
    body = {"name": unique("col"), "organization_ids": [organization]}
    collaboration = root.made("/collaboration", body)["id"]
    path = f"/api/collaboration/{collaboration}/organization"
    answer = client.request("DELETE", path, json={"id": organization})
    assert (answer.status_code, whole(answer)) == (200, [])


def test_a_service_that_is_away_is_an_error_in_json(tmp_path: Path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        away = Services(tmp_path, "", "", dict.fromkeys(("auth", "entity", "dispatch"), address), {})
        with behind_gateway(away) as server:
            for path in ("/api/user", "/api/node", "/api/task"):
                answer = httpx.get(server.url + path, headers=BROWSER, timeout=30, trust_env=False)
                assert answer.status_code in (502, 503)
                assert "does not answer" in whole(answer)["msg"]


@pytest.mark.parametrize(("length", "status"), [(16_000, 200), (17_000, 414), (60_000, 414)])
def test_an_address_that_is_too_long_is_told_so_in_the_one_shape(client: httpx.Client, length: int, status: int):
    answer = client.get("/api/version", params={"x": "a" * length})
    assert answer.status_code == status
    whole(answer)
