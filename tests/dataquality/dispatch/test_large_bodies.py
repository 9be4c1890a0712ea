"""Large tasks and results: up to a size, and within a memory that follows from it."""

import json
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import psutil
import pytest

from support.collaborations import World, new_world
from support.databases import PostgresServer
from support.gateway import behind_gateway
from support.parts import as_program
from support.services import Services, running_services
from support.valkey import ValkeyServer

MIB = 1 << 20
COPIES = 11
"""What the plan counts with (cli/vserver/stack/build.py)."""
WINDOW = 3.0
"""Seconds over which the rate of arrival is measured; the default is ten times as long."""
RATE = 16 * 1024
"""Bytes per second that a body has to arrive at."""
JSON = {"Content-Type": "application/json"}


@contextmanager
def server(postgres: PostgresServer, redis: str, folder: Path, most: int) -> Generator[Services]:
    settings = {"DATAQUALITY_MAX_BODY_MIB": str(most), "DATAQUALITY_BODY_WINDOW_SECONDS": str(WINDOW)}
    parts = ("auth", "entity", "dispatch")
    with (
        postgres.migrated_database() as url,
        running_services(folder, url, redis, parts, settings, begin=as_program) as services,
    ):
        yield services


@pytest.fixture(scope="module")
def world(
    postgres_server: PostgresServer, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """On a server that takes 8 MiB."""
    folder = tmp_path_factory.mktemp("large")
    with server(postgres_server, valkey_server.database(7), folder, 8) as services:
        yield new_world(services)


def results(world: World, number: int) -> list[str]:
    site = world.sites[0]
    asked = [world.ask(site)["id"] for _ in range(number)]
    return [f"/result/{site.open_results(task_id=task)[0]['id']}" for task in asked]


def answer_of(size: int) -> bytes:
    """The body of so many bytes."""
    body = {"status": "completed", "finished_at": "2026-11-23T10:00:00", "result": ""}
    bare = len(json.dumps(body))
    return json.dumps(body | {"result": "A" * (size - bare)}).encode()


@contextmanager
def peak_of(services: Services) -> Generator[list[int]]:
    """The bytes that dispatch needs at most until the block ends, beyond what it needed before."""
    process, ended, peak = psutil.Process(services.processes["dispatch"].pid), threading.Event(), [0]
    before = process.memory_info().rss

    def watch() -> None:
        while not ended.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def answer_four_at_once(world: World, size: int) -> int:
    """The most memory that it took."""
    body, site = answer_of(size * MIB), world.sites[0]
    paths = results(world, 4)
    with peak_of(world.services) as peak, ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(site.api.patch, path, content=body, headers=JSON, timeout=600) for path in paths]
        answers = [call.result() for call in calls]
    assert [answer.status_code for answer in answers] == [200] * 4
    expected = json.loads(body)["result"]
    assert all(answer.json()["result"] == expected for answer in answers)
    return peak[0]


def test_four_large_results_at_once_wait_for_one_another_within_the_memory(world: World) -> None:
    assert answer_four_at_once(world, 8) < (COPIES * 8 + 40) * MIB
    # Nor does it grow with time: what a connection once needed is not kept.
    assert answer_four_at_once(world, 8) < (COPIES * 8 + 40) * MIB


@pytest.mark.soak
def test_four_results_of_the_largest_size_at_once_stay_within_the_plans_limit(
    postgres_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    with server(postgres_server, valkey_server.database(8), tmp_path, 256) as services:
        assert answer_four_at_once(new_world(services), 256) < (COPIES * 256 + 350) * MIB


def answered(world: World, sizes: list[int], salt: str = "") -> tuple[int, list[str]]:
    """A task of which each site has given a result of so many bytes; and those results."""
    task: int = world.ask(*world.sites)["id"]
    texts: list[str] = []
    for site, size in zip(world.sites, sizes, strict=True):
        texts.append(f'{site.id} \u00e9\u4e2d\U0001f600 "\\\n{salt}' + "A" * size)
        [result] = site.open_results(task_id=task)
        body = {"finished_at": "2026-11-23T10:00:00", "result": texts[-1], "log": f"log of {site.id}"}
        assert site.api.patch(f"/result/{result['id']}", json=body).status_code == 200
    return task, texts


@pytest.mark.parametrize("path", ["/result?task_id={}", "/task/{}/result", "/task/{}?include=results"])
def test_a_list_of_large_results_comes_whole_and_in_order(world: World, path: str) -> None:
    task, texts = answered(world, [3 * MIB, 2 * MIB])
    response = world.researcher.get(path.format(task))
    assert "transfer-encoding" not in response.headers
    assert int(response.headers["content-length"]) == len(response.content)
    answer: Any = response.json()
    results = cast(list[dict[str, Any]], answer if isinstance(answer, list) else answer["results"])
    assert sorted(result["result"] for result in results) == sorted(texts)
    by_log = {result["log"]: result["result"] for result in results}
    assert by_log == {f"log of {site.id}": text for site, text in zip(world.sites, texts, strict=True)}


def read_at_once(world: World, path: str, readers: int) -> int:
    """The most memory that it took dispatch to send the same answer to so many readers at once."""
    with peak_of(world.services) as peak, ThreadPoolExecutor(readers) as pool:
        calls = [pool.submit(world.researcher.get, path, timeout=600) for _ in range(readers)]
        assert {call.result().status_code for call in calls} == {200}
    return peak[0]


def test_large_results_are_read_by_many_at_once_within_the_memory(world: World) -> None:
    task, _ = answered(world, [7 * MIB] * len(world.sites))
    read_at_once(world, f"/result?task_id={task}", 6)
    assert read_at_once(world, f"/result?task_id={task}", 6) < (COPIES * 8 + 40) * MIB


def test_a_reader_who_hangs_up_gives_the_room_back(world: World) -> None:
    task, _ = answered(world, [7 * MIB] * len(world.sites))
    headers, url = {"Authorization": f"Bearer {world.researcher.token}"}, f"{world.services.addresses['dispatch']}/api"
    for _ in range(5):
        with httpx.stream(
            "GET", f"{url}/result?task_id={task}", headers=headers, timeout=60, trust_env=False
        ) as answer:
            next(answer.iter_bytes())
    [path] = results(world, 1)
    assert world.sites[0].api.patch(path, content=answer_of(8 * MIB), headers=JSON).status_code == 200


@pytest.mark.parametrize("is_streamed", [False, True])
def test_what_is_larger_is_refused_and_changes_nothing(world: World, is_streamed: bool) -> None:
    [path] = results(world, 1)
    body, site = answer_of(8 * MIB + 1), world.sites[0]
    content = (body[start : start + MIB] for start in range(0, len(body), MIB)) if is_streamed else body
    answer = site.api.patch(path, content=content, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert "8 MiB" in answer.json()["msg"]
    assert "max_body_mib" in answer.json()["msg"]
    assert site.api.get(path).json()["status"] == "pending"


@pytest.mark.parametrize("is_streamed", [False, True])
def test_the_gateway_lets_large_bodies_through_and_says_what_is_too_large(world: World, is_streamed: bool) -> None:
    taken, refused = results(world, 2)
    headers = JSON | {"Authorization": f"Bearer {world.sites[0].api.token}"}
    with behind_gateway(world.services) as server:

        def sent(path: str, size: int) -> httpx.Response:
            body = answer_of(size)
            content = (body[start : start + MIB] for start in range(0, len(body), MIB)) if is_streamed else body
            return httpx.patch(f"{server.url}/api{path}", content=content, headers=headers, timeout=60, trust_env=False)

        assert sent(taken, 8 * MIB).status_code == 200
        answer = sent(refused, 9 * MIB)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_large_task_is_taken_and_other_addresses_take_a_mebibyte(world: World, is_streamed: bool) -> None:
    site = world.sites[0]
    question = world.question(organizations=[{"id": site.id, "input": "A" * (3 * MIB)}])

    def sent(path: str) -> int:
        body = json.dumps(question).encode()
        return world.researcher.post(path, content=iter([body]) if is_streamed else body, headers=JSON).status_code

    assert sent("/task") == 201
    for path in ("/kill/task", "/organization", "/user", "/port"):
        assert sent(path) == 413


def paced(body: bytes, per_second: int, seconds: float) -> Iterator[bytes]:
    """The body at that rate for so many seconds, and the rest of it at once."""
    step = per_second // 10
    for number in range(int(seconds * 10)):
        yield body[number * step : (number + 1) * step]
        time.sleep(0.1)
    yield body[int(seconds * 10) * step :]


def patch_slowly(world: World, path: str, per_second: int, seconds: float) -> httpx.Response:
    body = answer_of(2 * MIB)
    headers = JSON | {"Content-Length": str(len(body))}
    return world.sites[0].api.patch(path, content=paced(body, per_second, seconds), headers=headers)


def test_body_that_arrives_above_the_least_rate_is_taken(world: World) -> None:
    [path] = results(world, 1)
    assert patch_slowly(world, path, 2 * RATE, 2.5 * WINDOW).status_code == 200


def test_slow_upload_above_the_least_rate_passes_the_gateway(world: World) -> None:
    [path] = results(world, 1)
    body = answer_of(2 * MIB)
    headers = JSON | {"Content-Length": str(len(body)), "Authorization": f"Bearer {world.sites[0].api.token}"}
    with behind_gateway(world.services) as server:
        content = paced(body, 2 * RATE, 5 * WINDOW)
        answer = httpx.patch(f"{server.url}/api{path}", content=content, headers=headers, timeout=60, trust_env=False)
    assert answer.status_code == 200


def test_body_that_arrives_below_the_least_rate_is_cut_with_the_reason(world: World) -> None:
    [path] = results(world, 1)
    answer = patch_slowly(world, path, RATE // 2, 2.5 * WINDOW)
    assert (answer.status_code, answer.json()["code"]) == (408, "too_slow")
    assert "16 KiB per second" in answer.json()["msg"]
    assert world.sites[0].api.get(path).json()["status"] == "pending"


@contextmanager
def slow_uploads(world: World, path: str, number: int) -> Generator[list["Future[httpx.Response]"]]:
    """So many uploads of the node, each of the largest size, that go on slowly until the block ends."""
    body = answer_of(8 * MIB)
    headers = JSON | {"Content-Length": str(len(body))}
    go_on = threading.Event()

    def slowly() -> Iterator[bytes]:
        sent, step = 2 * MIB, RATE // 2
        yield body[:sent]
        while not go_on.wait(0.1):
            yield body[sent : sent + step]
            sent += step
        yield body[sent:]

    with ThreadPoolExecutor(number) as pool:
        api = world.sites[0].api
        calls = [pool.submit(api.patch, path, content=slowly(), headers=headers) for _ in range(number)]
        time.sleep(0.5)
        try:
            yield calls
        finally:
            go_on.set()


def test_uploads_of_one_identity_wait_for_one_another_and_hold_up_nobody_else(world: World) -> None:
    [path] = results(world, 1)
    task = world.ask(world.sites[1])["id"]
    [result] = world.sites[1].open_results(task_id=task)
    with slow_uploads(world, path, 4) as calls:
        other = world.sites[1].api.patch(f"/result/{result['id']}", content=answer_of(8 * MIB), headers=JSON)
        assert other.status_code == 200
        assert not any(call.done() for call in calls)
    assert {call.result().status_code for call in calls} == {200}


@pytest.mark.soak
def test_upload_that_waits_longer_than_a_body_may_stall_passes_the_gateway(world: World) -> None:
    first, second = results(world, 2)
    headers = JSON | {"Authorization": f"Bearer {world.sites[0].api.token}"}
    with behind_gateway(world.services) as server, ThreadPoolExecutor(1) as pool:
        with slow_uploads(world, first, 1) as [slow]:
            url = f"{server.url}/api{second}"
            waiting = pool.submit(
                httpx.patch, url, content=answer_of(8 * MIB), headers=headers, timeout=200, trust_env=False
            )
            time.sleep(70)  # the gateway gives up a body that does not come for a minute
            assert not waiting.done()
        assert (slow.result().status_code, waiting.result().status_code) == (200, 200)


def test_large_body_of_a_caller_who_is_gone_is_refused_unread(world: World) -> None:
    task = world.ask(world.sites[0])
    container = world.sites[0].container(task)
    assert world.root.delete(f"/task/{task['id']}").status_code == 200

    def never() -> Iterator[bytes]:
        yield b"{"
        time.sleep(WINDOW / 2)
        yield b"}" * (2 * MIB)

    answer = container.post("/task", content=never(), headers=JSON | {"Content-Length": str(2 * MIB + 1)})
    assert answer.status_code == 401


def test_nobody_who_is_not_signed_in_takes_the_room_of_others(world: World) -> None:
    [path] = results(world, 1)
    started = threading.Event()

    def slowly() -> Iterator[bytes]:
        started.set()
        yield b"{"
        time.sleep(2)
        yield b"}"

    with ThreadPoolExecutor(1) as pool:
        pool.submit(world.services.anyone.patch, path, content=slowly(), headers=JSON)
        started.wait()
        assert world.sites[0].api.patch(path, content=answer_of(8 * MIB), headers=JSON).status_code == 200
    assert world.services.anyone.patch(path, content=answer_of(8 * MIB), headers=JSON).status_code == 401
