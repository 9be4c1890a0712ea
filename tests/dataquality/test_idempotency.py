"""Creating requests with an Idempotency-Key: however often one comes, it makes one thing and gets one answer."""

import uuid
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from dataquality.dispatch.forgetting import forget_answers
from support.arrange import Arrangement
from support.collaborations import PASSWORD, World, new_world
from support.databases import PostgresServer, SqliteFiles, sync_engine
from support.services import ROOT, Api, Services, running_services, unique
from support.valkey import ValkeyServer
from support.waiting import eventually

REPLAYED = "idempotent-replayed"


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    return {}


@pytest.fixture
def world(services: Services, worlds: dict[str, World]) -> World:
    """One for all tests here: they look only at what they made."""
    if services.database_url not in worlds:
        worlds[services.database_url] = new_world(services)
    return worlds[services.database_url]


@pytest.fixture
def there(services: Services) -> Arrangement:
    return Arrangement(services)


def new_organization(world: World) -> tuple[Api, str, dict[str, Any], str]:
    return world.root, "/organization", {"name": unique("org")}, "organization WHERE name = :name"


def new_collaboration(world: World) -> tuple[Api, str, dict[str, Any], str]:
    body = {"name": unique("col"), "organization_ids": [world.sites[0].id]}
    return world.root, "/collaboration", body, "collaboration WHERE name = :name"


def new_node(world: World) -> tuple[Api, str, dict[str, Any], str]:
    there = world.root.made("/organization", {"name": unique("org")})
    world.root.made(f"/collaboration/{world.id}/organization", {"id": there["id"]})
    body = {"name": unique("node"), "collaboration_id": world.id, "organization_id": there["id"]}
    return world.root, "/node", body, "node WHERE name = :name"


def new_user(world: World) -> tuple[Api, str, dict[str, Any], str]:
    name = unique("user")
    body = {"username": name, "firstname": "A", "lastname": "B", "password": PASSWORD, "email": f"{name}@x.org"}
    return world.root, "/user", body, '"user" WHERE username = :username'


def new_role(world: World) -> tuple[Api, str, dict[str, Any], str]:
    return world.root, "/role", {"name": unique("role"), "description": "d", "rules": []}, "role WHERE name = :name"


def new_task(world: World) -> tuple[Api, str, dict[str, Any], str]:
    return world.researcher, "/task", world.question(), "task WHERE name = :name"


def new_subtask(world: World) -> tuple[Api, str, dict[str, Any], str]:
    parent = world.ask(world.sites[0])
    return world.sites[0].container(parent), "/task", world.question(), "task WHERE name = :name"


def new_port(world: World) -> tuple[Api, str, dict[str, Any], str]:
    task = world.ask(world.sites[0])
    [result] = world.sites[0].open_results(task_id=task["id"])
    body = {"port": 8888, "result_id": result["id"], "label": unique("port")}
    return world.sites[0].api, "/port", body, "algorithmport WHERE label = :label"


CREATIONS: list[Callable[[World], tuple[Api, str, dict[str, Any], str]]] = [
    new_organization, new_collaboration, new_node, new_user, new_role, new_task, new_subtask, new_port
]  # fmt: skip


def count(there: Arrangement, where: str, body: dict[str, Any]) -> int:
    values = {name: value for name, value in body.items() if f":{name}" in where}
    [row] = there.rows(f"SELECT count(*) AS number FROM {where}", **values)
    return row["number"]


@pytest.mark.parametrize("creation", CREATIONS)
def test_a_storm_of_the_same_request_makes_one_thing(
    world: World, there: Arrangement, creation: Callable[[World], tuple[Api, str, dict[str, Any], str]]
) -> None:
    api, path, body, where = creation(world)
    headers = key()
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(api.post, path, json=body, headers=headers) for _ in range(5)]
    storm = [call.result() for call in calls]
    assert {answer.status_code for answer in storm} <= {200, 201, 409}, [answer.text for answer in storm]
    first = [answer for answer in storm if answer.is_success and REPLAYED not in answer.headers]
    assert len(first) == 1
    assert all(answer.headers["retry-after"] for answer in storm if answer.status_code == 409)
    later = api.post(path, json=body, headers=headers)
    assert later.headers[REPLAYED] == "true"
    for answer in [*(one for one in storm if one.is_success), later]:
        assert (answer.status_code, answer.json()) == (first[0].status_code, first[0].json())
    assert count(there, where, body) == 1


def test_what_is_put_into_something_may_come_again_too(world: World, services: Services) -> None:
    root = world.root
    role = root.made("/role", {"name": unique("role"), "description": "d", "rules": []})
    [rule, *_] = root.get("/rule").json()
    api, path, body, _ = new_node(world)
    node = api.made(path, body)
    other = root.made("/collaboration", {"name": unique("col"), "organization_ids": [body["organization_id"]]})
    for path, sent in (
        (f"/role/{role['id']}/rule/{rule['id']}", None),
        (f"/collaboration/{world.id}/organization", {"id": body["organization_id"]}),
        (f"/collaboration/{other['id']}/node", {"id": node["id"]}),
    ):
        headers = key()
        first, again = (root.post(path, json=sent, headers=headers) for _ in range(2))
        assert first.is_success, first.text
        assert (again.status_code, again.json(), again.headers[REPLAYED]) == (first.status_code, first.json(), "true")


def test_the_key_of_a_new_node_is_shown_again_and_stands_nowhere(
    world: World, services: Services, there: Arrangement
) -> None:
    api, path, body, _ = new_node(world)
    headers = key()
    first, again = (api.post(path, json=body, headers=headers) for _ in range(2))
    api_key = first.json()["api_key"]
    assert again.json()["api_key"] == api_key
    assert uuid.UUID(api_key).version == 4
    services.login_node(api_key)
    [kept] = there.rows("SELECT * FROM keptanswer WHERE body LIKE :part", part=f"%{body['name']}%")
    assert api_key not in str(kept)
    assert headers["Idempotency-Key"] not in str(kept)


def test_a_key_stands_for_one_request_of_one_caller(world: World) -> None:
    headers, body = key(), {"name": unique("org")}
    assert world.root.post("/organization", json=body, headers=headers).status_code == 201
    others: list[tuple[str, dict[str, Any]]] = [
        ("/organization", {"name": unique("org")}),
        ("/organization?x=1", body),
        ("/collaboration", {"name": unique("col"), "organization_ids": []}),
    ]
    for path, other in others:
        answer = world.root.post(path, json=other, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_used")
    # Another caller's key of the same text is another key.
    assert world.researcher.post("/task", json=world.question(), headers=headers).status_code == 201


def test_a_request_that_was_refused_may_be_put_right_with_the_same_key(world: World, there: Arrangement) -> None:
    headers, body = key(), world.question(collaboration_id=999999999)
    assert world.researcher.post("/task", json=body, headers=headers).status_code == 404
    right = world.question()
    assert world.researcher.post("/task", json=right, headers=headers).status_code == 201
    assert count(there, "task WHERE name = :name", right) == 1


def test_without_a_key_each_request_makes_something(world: World, there: Arrangement) -> None:
    body = world.question()
    assert [world.researcher.post("/task", json=body).status_code for _ in range(2)] == [201, 201]
    assert count(there, "task WHERE name = :name", body) == 2


@pytest.mark.parametrize("wrong", ["", "two words", "k" * 256, "k\u00e4se", "tab\there"])
def test_a_key_of_another_form_is_refused(world: World, wrong: str) -> None:
    headers = {"Idempotency-Key": wrong.encode("latin-1")}
    answer = world.root.post("/organization", json={"name": unique("org")}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "Idempotency-Key" in answer.json()["msg"]


def test_whoever_lost_a_right_gets_no_old_answer(world: World, there: Arrangement) -> None:
    caller = there.caller(world.sites[0].id, [("task", "CREATE", "ORGANIZATION")])
    headers, body = key(), world.question()
    assert caller.post("/task", json=body, headers=headers).status_code == 201
    caller.token = None
    assert caller.post("/task", json=body, headers=headers).status_code == 401


def test_answers_are_forgotten_after_a_day(world: World, services: Services, there: Arrangement) -> None:
    old, new = (unique("org") for _ in range(2))
    for name in (old, new):
        assert world.root.post("/organization", json={"name": name}, headers=key()).status_code == 201
    long_ago = datetime.now(UTC) - timedelta(hours=25)
    there.run("UPDATE keptanswer SET created_at = :at WHERE body LIKE :part", at=long_ago, part=f"%{old}%")
    engine = sync_engine(services.database_url)
    forget_answers(engine.execution_options(isolation_level="AUTOCOMMIT"), timedelta(days=1))
    kept = str(there.rows("SELECT body FROM keptanswer"))
    assert (old in kept, new in kept) == (False, True)


# What follows stops the server in the middle of its work.


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def own_services(
    request: pytest.FixtureRequest, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """Services of these tests alone: they are killed."""
    databases: SqliteFiles | PostgresServer = request.getfixturevalue(
        "sqlite_files" if request.param == "sqlite" else "postgres_server"
    )
    folder: Path = tmp_path_factory.mktemp("once")
    parts = ("auth", "entity")
    with (
        databases.migrated_database() as url,
        running_services(folder, url, valkey_server.database(6), parts) as services,
    ):
        yield services


@contextmanager
def nothing_can_be_written(services: Services) -> Generator[None]:
    """Requests that write organizations hang in the middle of their transaction, or at its beginning."""
    engine = sync_engine(services.database_url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("LOCK TABLE organization IN SHARE MODE"))
        yield
        connection.rollback()


def organizations(services: Services, name: str) -> int:
    return count(Arrangement(services), "organization WHERE name = :name", {"name": name})


def sent_twice(
    root: Api, name: str, headers: dict[str, str], pool: ThreadPoolExecutor
) -> tuple[httpx.Response, "Future[httpx.Response]"]:
    """The answer to the request that came second, and the first, which hangs."""
    calls = [pool.submit(lambda: root.post("/organization", json={"name": name}, headers=headers)) for _ in range(2)]
    done, hanging = wait(calls, timeout=60, return_when=FIRST_COMPLETED)
    return done.pop().result(), hanging.pop()


def test_a_request_that_comes_again_too_early_is_told_to_wait(own_services: Services) -> None:
    root, name, headers = own_services.login(*ROOT), unique("org"), key()
    with ThreadPoolExecutor(2) as pool:
        with nothing_can_be_written(own_services):
            early, first = sent_twice(root, name, headers, pool)
            assert (early.status_code, early.json()["code"]) == (409, "in_progress")
        assert first.result().status_code == 201
    again = root.post("/organization", json={"name": name}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.result().json())
    assert organizations(own_services, name) == 1


def test_five_requests_after_time_outs_make_one_thing(own_services: Services) -> None:
    root, name, headers = own_services.login(*ROOT), unique("org"), key()
    with nothing_can_be_written(own_services):
        for _ in range(4):
            with suppress(httpx.TimeoutException):
                answer = root.post("/organization", json={"name": name}, headers=headers, timeout=0.3)
                # Who has waited too long for the database is told that nothing was changed.
                assert answer.status_code in (409, 503)
    eventually(lambda: root.post("/organization", json={"name": name}, headers=headers).status_code == 201)
    assert organizations(own_services, name) == 1


def test_a_request_that_was_cut_off_by_a_kill_is_carried_out_when_it_comes_again(own_services: Services) -> None:
    root, name, headers = own_services.login(*ROOT), unique("org"), key()
    with ThreadPoolExecutor(2) as pool, nothing_can_be_written(own_services):
        _, first = sent_twice(root, name, headers, pool)
        own_services.kill("entity")
        assert isinstance(first.exception(), httpx.TransportError)
    own_services.start("entity")
    own_services.wait_ready("entity")
    eventually(lambda: root.post("/organization", json={"name": name}, headers=headers).status_code == 201)
    again = root.post("/organization", json={"name": name}, headers=headers)
    assert (again.status_code, again.headers[REPLAYED]) == (201, "true")
    assert organizations(own_services, name) == 1


def once_and_again(there: Arrangement, user: int, path: str, body: dict[str, Any], revoke: Callable[[], Any]) -> None:
    """The user's request, the same again, and once more after the user lost what it needs."""
    headers, api = key(), there.signed_in(user)
    assert api.post(path, json=body, headers=headers).is_success
    assert api.post(path, json=body, headers=headers).headers[REPLAYED] == "true"
    revoke()
    refused = api.post(path, json=body, headers=headers)
    assert (refused.status_code, REPLAYED in refused.headers) == (401, False), refused.text


GRANTED: list[tuple[Callable[[World], tuple[Api, str, dict[str, Any], str]], str, str]] = [
    (new_organization, "organization", "GLOBAL"),
    (new_collaboration, "collaboration", "GLOBAL"),
    (new_node, "node", "GLOBAL"),
    (new_user, "user", "ORGANIZATION"),
    (new_role, "role", "ORGANIZATION"),
    (new_task, "task", "ORGANIZATION"),
]


@pytest.mark.parametrize(("creation", "resource", "scope"), GRANTED)
def test_an_answer_is_not_given_again_to_who_lost_the_rule(
    world: World,
    there: Arrangement,
    creation: Callable[[World], tuple[Api, str, dict[str, Any], str]],
    resource: str,
    scope: str,
) -> None:
    _, path, body, _ = creation(world)
    user = there.user(world.sites[0].id, grants=[(resource, "CREATE", scope)])
    revoke = lambda: world.root.patch(f"/user/{user}", json={"rules": []})  # noqa: E731
    once_and_again(there, user, path, body, revoke)


def test_an_answer_is_not_given_again_where_the_rule_no_longer_reaches(world: World, there: Arrangement) -> None:
    _, path, body, _ = new_node(world)
    user = there.user(world.sites[0].id, grants=[("node", "CREATE", "GLOBAL")])
    rules = [there.rule("node", "CREATE", "ORGANIZATION")]
    once_and_again(there, user, path, body, lambda: world.root.patch(f"/user/{user}", json={"rules": rules}))


def test_an_answer_is_not_given_again_to_who_could_not_give_the_rules_any_more(
    world: World, there: Arrangement
) -> None:
    needed = [("role", "CREATE", "ORGANIZATION"), ("role", "EDIT", "ORGANIZATION"), ("task", "VIEW", "GLOBAL")]
    user = there.user(world.sites[0].id, grants=needed)
    given = there.rule(*needed[2])
    role = there.signed_in(user).made("/role", {"name": unique("role"), "description": "d"})
    path, left = f"/role/{role['id']}/rule/{given}", [there.rule(*grant) for grant in needed[:2]]
    once_and_again(there, user, path, {}, lambda: world.root.patch(f"/user/{user}", json={"rules": left}))


def test_an_answer_is_not_given_again_to_who_was_deleted(world: World, there: Arrangement) -> None:
    _, path, body, _ = new_organization(world)
    user = there.user(world.sites[0].id, grants=[("organization", "CREATE", "GLOBAL")])
    once_and_again(there, user, path, body, lambda: world.root.delete(f"/user/{user}"))
