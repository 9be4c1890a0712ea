"""Permissions and errors of each route are in the description: held to matrix.yaml and the contract's own replies."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from support.fuzzed import Stack
from support.matrix import Endpoint, addresses, endpoints

ERRORS: dict[str, list[int]] = yaml.safe_load((Path(__file__).parent / "errors.yaml").read_text())
_UNDESCRIBED = ("GET /internal/", "POST /internal/", "GET /docs", "GET /openapi.json")
OPEN = [one.title for one in addresses() if not one.title.startswith(_UNDESCRIBED)]
SCOPES = ("GLOBAL", "COLLABORATION", "ORGANIZATION", "OWN")


@pytest.fixture(scope="module")
def operations(stack: Stack) -> dict[str, dict[str, Any]]:
    """By method and path without the names of its parameters, such as `GET /user/N`."""
    document = httpx.get(f"{stack.url}/api/openapi.json", trust_env=False, timeout=30).json()
    return {
        plain(f"{method.upper()} {path.removeprefix('/api')}"): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def plain(name: str) -> str:
    return re.sub(r"\{\w+\}", "N", name.partition(" (")[0].partition("?")[0])


def rows() -> dict[str, list[Endpoint]]:
    """The rows of the matrix by operation: some tell of one operation twice."""
    found: dict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints():
        found[plain(endpoint.title)].append(endpoint)
    return found


def test_the_matrix_and_the_description_tell_of_the_same_operations(operations: dict[str, dict[str, Any]]) -> None:
    assert set(operations) == {*rows(), *OPEN}


@pytest.mark.parametrize("name", rows())
def test_the_description_tells_who_may_call(operations: dict[str, dict[str, Any]], name: str) -> None:
    found = rows()[name]
    users = any(scope in one.row for one in found for scope in (*SCOPES, "without"))
    kinds = {"users": users, "nodes": any("node" in one.row for one in found)}
    kinds["containers"] = any("container" in one.row for one in found)
    told = operations[name]
    assert set(told["x-callers"].split(" and ")) == {kind for kind, may in kinds.items() if may}
    assert told["security"] == [{"bearer": []}]


@pytest.mark.parametrize("name", [name for name, found in rows().items() if found[0].resource])
def test_the_description_tells_the_rule_and_its_scopes(operations: dict[str, dict[str, Any]], name: str) -> None:
    told, found = operations[name]["x-permission"], rows()[name]
    resource, operation = found[0].resource or ("", "")
    scopes = {scope for one in found for scope in SCOPES if one.row.get(scope)}
    assert f"{operation.lower()} {resource} at scope" in told
    assert set(re.findall("|".join(SCOPES), told)) == scopes
    assert told in operations[name]["description"]


@pytest.mark.parametrize("name", rows())
def test_the_description_tells_every_answer_of_the_matrix(operations: dict[str, dict[str, Any]], name: str) -> None:
    wanted = {401, 422}
    for one in rows()[name]:
        row = one.row
        wanted |= {row.get("success", 200)}
        wanted |= {400} if "refused" in row else set()
        absent = row.get("absent", 404)
        wanted |= {absent if isinstance(absent, int) else 404} if "object" in row and absent != "skip" else set()
    assert wanted <= {int(status) for status in operations[name]["responses"]}


@pytest.mark.parametrize("name", ERRORS)
def test_the_description_tells_the_errors_of_the_contract(operations: dict[str, dict[str, Any]], name: str) -> None:
    told = {int(status) for status in operations[plain(name)]["responses"]}
    assert set(ERRORS[name]) <= told


def test_the_description_tells_what_holds_everywhere(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        told = set(operation["responses"])
        where = {one["in"] for one in operation["parameters"]}
        assert (name in OPEN and "refresh" not in name) or {"401", "422"} <= told, name
        assert "path" not in where or "404" in told, name
        assert not ({"query", "header"} & where or "requestBody" in operation) or "400" in told, name


def test_no_operation_tells_of_an_error_that_nobody_can_get(operations: dict[str, dict[str, Any]]) -> None:
    """Limits, keys and bodies are the only reasons for these."""
    for name, operation in operations.items():
        told = set(operation["responses"])
        has_key = any(one["name"] == "Idempotency-Key" for one in operation["parameters"])
        assert ("409" in told) == has_key, name
        assert ({"408", "413"} <= told) == ("requestBody" in operation), name
        assert ("429" in told) == (429 in ERRORS.get(_original(name), ())), name


def _original(name: str) -> str:
    return next((one for one in ERRORS if plain(one) == name), name)
