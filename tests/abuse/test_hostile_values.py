"""Every body and every query, with values that trip programs: no fault, and no Python in what is answered."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.abuse.stack import AttackedStack

_NOBODY = 2_000_000_000
_PYTHON = re.compile(
    r"\b(?:function-\w+|constrained-\w+|nullable|dictionary|None|NoneType|True|False|Traceback|[Vv]alue ?[Ee]rror"
    r"|TypeError|Recursion\w*|Exception|nan|inf|tuple|str|int|pydantic\w*|instance|Decimal|int_\w+|0x[0-9a-f]+)\b"
    r"|\b(?:list|dict)\["
)
"""Words that tell nothing to those who do not program in Python."""
_JSON = {
    "a number beyond all": "1e999",
    "one below all": "-1e999",
    "not a number": "NaN",
    "infinity": "Infinity",
    "hundreds of digits": "9" * 400,
    "thousands of digits": "9" * 5_000,
    "half a surrogate pair": r'"\ud800"',
    "a zero character": r'"\u0000"',
    "lists in lists": "[" * 500 + "]" * 500,
    "too many of them": "[" * 100_000 + "]" * 100_000,
    "objects in objects": '{"a":' * 400 + "1" + "}" * 400,
    "a truth": "true",
    "a fraction": "1.5",
    "an object": "{}",
}
_QUERY = {
    "a number beyond all": "1e999",
    "not a number": "NaN",
    "thousands of digits": "9" * 5_000,
    "a zero character": "%00",
    "half a surrogate pair": "%ED%A0%80",
    "no text at all": "%FF",
}
_LEFT_ALONE = ("/token/revoke", "/password/change")
"""They would end the session of the one who tries."""


@pytest.fixture(scope="module")
def operations(shared_stack: AttackedStack) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path (below the API's, with ids of nothing) and description of each operation."""
    with shared_stack.client() as http:
        document = http.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    return [
        (method, re.sub(r"{\w+}", str(_NOBODY), path.removeprefix("/api")), operation | {"x-schemas": schemas})
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not path.endswith(_LEFT_ALONE)
    ]


def assert_plain(answer: httpx.Response, what: str) -> None:
    assert answer.status_code < 500, f"{what}: {answer.text}"
    assert answer.headers["x-content-type-options"] == "nosniff", what
    if answer.status_code >= 400:
        text = " ".join(
            [answer.json()["msg"], *answer.json().get("message", {}), *answer.json().get("message", {}).values()]
        )
        assert not _PYTHON.search(text), f"{what}: {text}"


def fields_of(operation: dict[str, Any]) -> list[str]:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    found = operation["x-schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
    return list(found.get("properties", {}))


@pytest.mark.parametrize("value", _JSON)
def test_no_body_is_answered_with_a_fault_or_with_python(
    stack: AttackedStack, operations: list[tuple[str, str, dict[str, Any]]], value: str
) -> None:
    tried = 0
    for number, (method, path, operation) in enumerate(operations):
        if names := fields_of(operation):
            with stack.client(stack.root, source=f"127.0.7.{number + 1}") as http:
                for body in bodies(names, _JSON[value]):
                    headers = {"Content-Type": "application/json"}
                    assert_plain(http.request(method, path, content=body, headers=headers), f"{method} {path}")
                    tried += 1
    assert tried > 50


def bodies(names: list[str], value: str) -> Iterator[str]:
    """With the value in every field; in each list; and in place of the whole."""
    yield "{" + ", ".join(f'"{name}": {value}' for name in names) + "}"
    yield "{" + ", ".join(f'"{name}": [{value}]' for name in names) + "}"
    yield value


@pytest.mark.parametrize("value", _QUERY)
def test_no_query_is_answered_with_a_fault_or_with_python(
    stack: AttackedStack, operations: list[tuple[str, str, dict[str, Any]]], value: str
) -> None:
    tried = 0
    with stack.client(stack.root) as http:
        for method, path, operation in operations:
            names = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
            if method == "get" and names:
                query = "&".join(
                    f"{name}={_QUERY[value]}" for name in names if len(names) * len(_QUERY[value]) < 12_000
                )
                assert_plain(http.get(f"{path}?{query}" if query else f"{path}?{names[0]}={_QUERY[value]}"), path)
                tried += 1
    assert tried > 10


def test_nothing_with_a_token_is_kept_by_a_cache(stack: AttackedStack) -> None:
    study = stack.study
    tokens = stack.sign_in(study.username)
    with stack.client() as http:
        node = http.post("/token/node", json={"api_key": study.api_key})
        refreshed = http.post("/token/refresh", headers={"Authorization": f"Bearer {tokens['refresh_token']}"})
        with stack.client(tokens["access_token"]) as user:
            task = user.post("/task", json=study.task()).json()
        headers = {"Authorization": f"Bearer {node.json()['access_token']}"}
        body = {"task_id": task["id"], "image": task["image"]}
        container = http.post("/token/container", headers=headers, json=body)
    for reply in (node, refreshed, container):
        assert reply.status_code == 200, reply.text
        assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/api/version", "/api/user", "/nothing", "/api/nothing", "/socket.io/", "/api/docs"])
def test_no_browser_guesses_what_a_reply_is(stack: AttackedStack, path: str) -> None:
    reply = httpx.get(f"http://127.0.0.1:{stack.port}{path}", trust_env=False)
    assert reply.headers.get_list("x-content-type-options") == ["nosniff"]
