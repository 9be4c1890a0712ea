"""The links of the description lead from a node to a task, its result and its ports."""

import re
from typing import Any, cast

import httpx
import pytest

from support.fuzzed import Stack, fuzzer_of

BODY = "$response.body#"


class Walker:
    """Calls operations by their names, and follows links by their runtime expressions."""

    def __init__(self, stack: Stack) -> None:
        self.url = stack.url
        self.tokens: dict[str, str] = fuzzer_of(stack)["tokens"]
        document = httpx.get(f"{stack.url}/api/openapi.json", trust_env=False, timeout=30).json()
        self.operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def call(self, name: str, path: dict[str, Any] | None = None, query: Any = None, body: Any = None) -> Any:
        """The body of a successful answer."""
        method, template, operation = self.operations[name]
        url = self.url + re.sub(r"\{(\w+)\}", lambda found: str((path or {})[found[1]]), template)
        kind = "user" if "users" in operation["x-callers"] else "node"
        headers = {"Authorization": f"Bearer {self.tokens[kind]}"}
        answer = httpx.request(method, url, params=query, json=body, headers=headers, trust_env=False, timeout=30)
        assert answer.is_success, f"{name}: {answer.text}"
        return answer.json()

    def follow(self, name: str, answer: Any, to: str, **more: Any) -> Any:
        """Call what the link of an operation's answer leads to, with `more` in the body."""
        responses = self.operations[name][2]["responses"]
        link = next(one for status, one in responses.items() if status < "300")["links"][to]
        given = {key: evaluated(value, answer) for key, value in link.get("parameters", {}).items()}
        places = {place: named(given, place) for place in ("path", "query")}
        body = evaluated(link["requestBody"], answer) | more if "requestBody" in link else more or None
        return self.call(link["operationId"], places["path"], places["query"], body)


def named(given: dict[str, Any], place: str) -> dict[str, Any]:
    return {key.removeprefix(f"{place}."): value for key, value in given.items() if key.startswith(f"{place}.")}


def evaluated(expression: Any, answer: Any) -> Any:
    """A runtime expression, or a structure of them."""
    if isinstance(expression, dict):
        return {key: evaluated(value, answer) for key, value in cast(dict[str, Any], expression).items()}
    if isinstance(expression, list):
        return [evaluated(value, answer) for value in cast(list[Any], expression)]
    for step in expression.removeprefix(f"{BODY}/").split("/"):
        answer = answer[int(step) if isinstance(answer, list) else step]
    return answer


@pytest.fixture(scope="module")
def walker(stack: Stack) -> Walker:
    return Walker(stack)


def test_from_a_node_to_a_task_and_its_result(walker: Walker) -> None:
    # The newest is the walker's own: a list of it alone.
    nodes = walker.call("list_nodes")[-1:]
    task = walker.follow("list_nodes", nodes, "create_task", image="image")
    assert walker.follow("create_task", task, "get_task")["id"] == task["id"]
    assert walker.follow("create_task", task, "container")["container_token"]
    results = walker.follow("create_task", task, "list_results_of_task")
    assert walker.follow("list_results_of_task", results, "get_result")["id"] == results[0]["id"]
    port = walker.follow("list_results_of_task", results, "open_port", port=8888)
    assert walker.follow("open_port", port, "get_port") == port
    assert walker.follow("list_results_of_task", results, "close_ports")
    answered = walker.follow("list_results_of_task", results, "patch_result", status="active")
    assert answered["status"] == "active"
    walker.follow("create_task", task, "kill_task")
    assert walker.follow("create_task", task, "get_task")["complete"] is True
    walker.follow("create_task", task, "delete_task")
