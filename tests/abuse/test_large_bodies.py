"""Room for large bodies is for those who may call, and no one of them keeps it from the others."""

from collections.abc import Generator
from contextlib import contextmanager

import httpx

from support.abuse.honest import honest_user_beside
from support.abuse.slow import MIB, SlowRequest, close_all
from support.abuse.stack import AttackedStack, Study

LARGEST = 256 * MIB
LARGE_INPUT = "A" * (2 * MIB)


def node_token(stack: AttackedStack, study: Study) -> str:
    with stack.client() as http:
        return str(http.post("/token/node", json={"api_key": study.api_key}).json()["access_token"])


def task_of(stack: AttackedStack, study: Study) -> int:
    with stack.client(str(stack.sign_in(study.username)["access_token"])) as http:
        return int(http.post("/task", json=study.task()).json()["id"])


def open_result(stack: AttackedStack, token: str, task: int) -> int:
    with stack.client(token) as http:
        [result] = http.get("/result", params={"task_id": task}).json()
    return int(result["id"])


def token_of_deleted_task(stack: AttackedStack, study: Study) -> str:
    """The token of an algorithm whose task was deleted meanwhile."""
    task = task_of(stack, study)
    with stack.client(node_token(stack, study)) as http:
        token = http.post("/token/container", json={"task_id": task, "image": study.task()["image"]})
    with stack.client(stack.root) as http:
        assert http.delete(f"/task/{task}").status_code == 200
    return str(token.json()["container_token"])


def post_large_task(stack: AttackedStack, study: Study) -> None:
    body = study.task(organizations=[{"id": study.organization, "input": LARGE_INPUT}])
    with stack.client(str(stack.sign_in(study.username)["access_token"])) as http:
        assert http.post("/task", json=body, timeout=httpx.Timeout(15)).status_code == 201


@contextmanager
def beginning(stack: AttackedStack, method: str, path: str, token: str, number: int) -> Generator[list[SlowRequest]]:
    """So many requests that announce the largest body and send little of it."""
    requests = [SlowRequest(stack.port) for _ in range(number)]
    try:
        for request in requests:
            request.begin(method, f"/api{path}", LARGEST, token)
            request.send(b"{" + b" " * 100_000)
        yield requests
    finally:
        close_all(requests)


def test_token_of_deleted_task_takes_no_room_from_others(stack: AttackedStack) -> None:
    token = token_of_deleted_task(stack, stack.new_study())
    with honest_user_beside(stack), beginning(stack, "POST", "/task", token, 5) as requests:
        post_large_task(stack, stack.study)
        assert {request.drip(10) for request in requests} == {401}


def test_slow_upload_of_a_node_takes_no_room_from_others(stack: AttackedStack) -> None:
    study = stack.new_study()
    token = node_token(stack, study)
    path = f"/result/{open_result(stack, token, task_of(stack, study))}"
    with honest_user_beside(stack), beginning(stack, "PATCH", path, token, 20) as requests:
        post_large_task(stack, stack.study)
        assert {request.status(0.1) for request in requests} == {None}, "they should still be on their way"
