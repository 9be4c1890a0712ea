"""The API's description and its page, through the gateway."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.databases import SqliteFiles
from support.fuzzed import Stack
from support.gateway import behind_gateway
from support.services import running_services
from support.valkey import ValkeyServer

# From rest-api.md, sections 1 to 3; without the VPN, which is not served.
ROUTES = """
POST token/user, token/node, token/container, token/refresh, token/revoke, recover/lost, recover/reset, recover/2fa/lost
POST recover/2fa/reset, recover/node
PATCH password/change
GET organization, organization/N, organization/N/collaboration, organization/N/node
POST organization
PATCH organization/N
GET collaboration, collaboration/N, collaboration/N/organization, collaboration/N/node, collaboration/N/task
POST collaboration, collaboration/N/organization, collaboration/N/node
PATCH collaboration/N
DELETE collaboration/N, collaboration/N/organization, collaboration/N/node
GET node, node/N
POST node
PATCH node/N
DELETE node/N
GET user, user/N, role, role/N, role/N/rule, rule, rule/N
POST user, role, role/N/rule/N
PATCH user/N, role/N
DELETE user/N, role/N, role/N/rule/N
GET task, task/N, task/N/result, result, result/N, port, port/N
POST task, kill/task, kill/node/tasks, port
PATCH result/N
DELETE task/N, port
GET health, version
"""


@pytest.fixture(scope="module")
def document(stack: Stack) -> dict[str, Any]:
    answer = httpx.get(f"{stack.url}/api/openapi.json", trust_env=False, timeout=30)
    assert answer.status_code == 200
    return answer.json()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_it_tells_of_every_route_of_the_contract_and_of_no_other(document: dict[str, Any]):
    wanted = {
        f"{line.split()[0]} /api/{path.strip()}"
        for line in ROUTES.strip().splitlines()
        for path in line.partition(" ")[2].split(",")
    }
    assert {re.sub(r"\{\w+\}", "N", name) for name in operations(document)} == wanted


def test_every_operation_is_told_of_whole(document: dict[str, Any]):
    for name, operation in operations(document).items():
        assert operation["summary"] and operation["description"] and operation["x-permission"], name
        assert operation["security"] in ([{"bearer": []}], []), name
        [success] = [answer for status, answer in operation["responses"].items() if status < "300"]
        content = success["content"]["application/json"]
        assert content["schema"] and content["example"], name
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["example"], name


def test_every_error_has_the_one_shape(document: dict[str, Any]):
    for name, operation in operations(document).items():
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert "503" in errors, name
        for answer in errors.values():
            content = answer["content"]["application/json"]
            assert content["schema"]["allOf"] == [{"$ref": "#/components/schemas/Error"}], name
            codes = set(content["schema"]["properties"]["code"]["enum"])
            assert {example["value"]["code"] for example in content["examples"].values()} == codes, name


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]):
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(names) == len(set(names))


def test_what_is_made_is_linked_to_what_can_be_done_with_it(document: dict[str, Any]):
    links = document["paths"]["/api/role"]["post"]["responses"]["201"]["links"]
    assert {"show_role", "change_role", "delete_role"} <= set(links)


def test_an_operation_that_is_secured_refuses_who_has_no_token_or_a_false_one(stack: Stack, document: dict[str, Any]):
    for name, operation in operations(document).items():
        method, path = name.split(" ")
        if not operation["security"]:
            continue
        url = stack.url + re.sub(r"\{\w+\}", "1", path)
        for headers, status in (({}, 401), ({"Authorization": "Bearer false"}, 422)):
            answer = httpx.request(method, url, headers=headers, trust_env=False, timeout=30)
            assert answer.status_code == status, name


def test_the_page_loads_nothing_from_elsewhere(stack: Stack):
    page = httpx.get(f"{stack.url}/api/docs", trust_env=False, timeout=30)
    assert page.status_code == 200
    assert "//" not in re.sub(r"(?m)^\s*//.*$", "", page.text).replace("<!--", "")
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(loaded) == 2
    for path in loaded:
        assert httpx.get(stack.url + path, trust_env=False, timeout=30).status_code == 200


def test_there_is_no_document_while_a_service_does_not_answer(
    sqlite_files: SqliteFiles, valkey_server: ValkeyServer, tmp_path: Path
):
    with (
        sqlite_files.migrated_database() as url,
        running_services(tmp_path, url, valkey_server.database(9), ("auth", "entity")) as services,
        behind_gateway(services) as server,
    ):
        answer = httpx.get(f"{server.url}/api/openapi.json", trust_env=False, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
