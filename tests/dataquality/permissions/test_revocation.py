"""What is taken from somebody is gone at the next call, in all services, whatever becomes of Redis."""

import shutil
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from support.arrange import Arrangement, Grants
from support.databases import PostgresServer, SqliteFiles
from support.processes import free_port
from support.services import ROOT, Api, Services, running_services, unique
from support.valkey import ValkeyServer

_PARTS = ("auth", "entity", "dispatch")
VIEW: Grants = [("user", "VIEW", "ORGANIZATION"), ("node", "VIEW", "ORGANIZATION"), ("task", "VIEW", "ORGANIZATION")]
"""One rule in each service."""
PATHS = ("/user", "/node", "/task")
WAYS = ("rules", "role", "rules of a role", "deleted role", "deleted user")


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A server of this module's own: its tests stop it."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def services(
    request: pytest.FixtureRequest, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """Services of this module's own, on each database: their Redis is not always there."""
    kind = "sqlite_files" if request.param == "sqlite" else "postgres_server"
    databases: SqliteFiles | PostgresServer = request.getfixturevalue(kind)
    folder = tmp_path_factory.mktemp("services")
    with databases.migrated_database() as url, running_services(folder, url, valkey.url, _PARTS) as running:
        yield running


@pytest.fixture
def there(services: Services) -> Arrangement:
    """What is there before the test begins."""
    return Arrangement(services)


@pytest.fixture
def organization(there: Arrangement) -> int:
    """An organization of the test's own."""
    return there.organization()


def statuses(api: Api) -> list[int]:
    """The answers of the three services."""
    return [api.get(path).status_code for path in PATHS]


@contextmanager
def redis_that_is(state: str, valkey: ValkeyServer, revoke: Callable[[], None]) -> Generator[None]:
    """Take rights away while Redis is in this state; the block is what follows at once."""
    if state == "emptied":
        revoke()
        valkey.forget_all()
    with {"down": valkey.stopped, "hanging": valkey.hanging}.get(state, nullcontext)():
        if state != "emptied":
            revoke()
        yield


@pytest.mark.parametrize("state", ["up", "emptied", "down"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_taken_from_a_user_is_gone_at_once(
    there: Arrangement, organization: int, valkey: ValkeyServer, way: str, state: str
) -> None:
    root, witness = there.signed_in(1), there.caller(organization, VIEW)
    rules = [there.rule(*grant) for grant in VIEW]
    body = {"name": unique("role"), "description": "", "organization_id": organization, "rules": rules}
    role = root.made("/role", body)["id"]
    user = there.user(organization, grants=VIEW) if way == "rules" else there.user(organization, roles=[role])
    api = there.signed_in(user)
    assert statuses(api) == statuses(witness) == [200, 200, 200]

    def revoke() -> None:
        answer = {
            "rules": lambda: root.patch(f"/user/{user}", json={"rules": []}),
            "role": lambda: root.patch(f"/user/{user}", json={"roles": []}),
            "rules of a role": lambda: root.patch(f"/role/{role}", json={"rules": []}),
            "deleted role": lambda: root.delete(f"/role/{role}"),
            "deleted user": lambda: root.delete(f"/user/{user}"),
        }[way]()
        assert answer.status_code == 200, answer.text

    with redis_that_is(state, valkey, revoke):
        assert statuses(api) == [401, 401, 401]
        assert statuses(witness) == [200, 200, 200]


@pytest.mark.parametrize("state", ["up", "emptied", "down"])
def test_one_rule_that_is_taken_out_of_a_role_leaves_the_others(
    there: Arrangement, organization: int, valkey: ValkeyServer, state: str
) -> None:
    root = there.signed_in(1)
    rules = [there.rule(*grant) for grant in VIEW]
    body = {"name": unique("role"), "description": "", "organization_id": organization, "rules": rules}
    role = root.made("/role", body)["id"]
    api = there.caller(organization, roles=[role])
    assert statuses(api) == [200, 200, 200]

    def take() -> None:
        assert root.delete(f"/role/{role}/rule/{rules[1]}").status_code == 200

    def give() -> None:
        assert root.post(f"/role/{role}/rule/{rules[1]}").status_code == 201

    with redis_that_is(state, valkey, take):
        assert statuses(api) == [200, 401, 200]
    with redis_that_is(state, valkey, give):
        assert statuses(api) == [200, 200, 200]


@pytest.mark.parametrize("state", ["up", "emptied", "down"])
@pytest.mark.parametrize("way", ["deleted", "removed from the collaboration", "collaboration deleted"])
def test_a_node_that_is_deleted_is_shut_out_at_once(
    there: Arrangement, services: Services, organization: int, valkey: ValkeyServer, way: str, state: str
) -> None:
    root, key, other_key = there.signed_in(1), unique("key"), unique("key")
    collaboration = there.collaboration(organization)
    node = there.node(organization, collaboration, key)
    there.node(organization, there.collaboration(organization), other_key)
    task = there.task(there.collaboration(), organization)
    api, witness = services.login_node(key), services.login_node(other_key)

    def answers(node: Api) -> list[int]:
        # In auth a node may ask for a container's token only; the task is of another collaboration: refused, but known.
        asked = node.post("/token/container", json={"task_id": task, "image": "image"})
        known = asked.status_code == 401 and "another collaboration" in asked.json()["msg"]
        return [200 if known else asked.status_code, *(node.get(path).status_code for path in ("/node", "/task"))]

    assert answers(api) == answers(witness) == [200, 200, 200]

    def revoke() -> None:
        answer = {
            "deleted": lambda: root.delete(f"/node/{node}"),
            "removed from the collaboration": lambda: root.request(
                "DELETE", f"/collaboration/{collaboration}/node", json={"id": node}
            ),
            "collaboration deleted": lambda: root.delete(f"/collaboration/{collaboration}"),
        }[way]()
        assert answer.status_code == 200, answer.text

    with redis_that_is(state, valkey, revoke):
        assert answers(api) == [401, 401, 401]
        refresh = Api(services.addresses, api.tokens["refresh_token"]).post("/token/refresh")
        assert (refresh.status_code, isinstance(refresh.json()["msg"], str)) == (401, True)
        assert services.anyone.post("/token/node", json={"api_key": key}).status_code == 401
        assert answers(witness) == [200, 200, 200]


@pytest.mark.parametrize("state", ["up", "down"])
def test_a_container_is_shut_out_once_its_task_is_killed(
    there: Arrangement, services: Services, organization: int, valkey: ValkeyServer, state: str
) -> None:
    root, key, collaboration = there.signed_in(1), unique("key"), there.collaboration(organization)
    there.node(organization, collaboration, key)
    killed, running = (there.task(collaboration, organization) for _ in range(2))
    node = services.login_node(key)

    def container(task: int) -> Api:
        token = node.made("/token/container", {"task_id": task, "image": "image"})["container_token"]
        return Api(services.addresses, token)

    api, witness = container(killed), container(running)

    def answers(one: Api) -> list[int]:
        return [one.get(path).status_code for path in ("/organization", "/task")]

    assert answers(api) == answers(witness) == [200, 200]

    def revoke() -> None:
        assert root.post("/kill/task", json={"id": killed}).status_code == 200

    with redis_that_is(state, valkey, revoke):
        assert answers(api) == [401, 401]
        assert answers(witness) == [200, 200]


def test_a_redis_that_hangs_costs_time_and_nothing_else(
    there: Arrangement, organization: int, valkey: ValkeyServer
) -> None:
    user, witness = there.user(organization, grants=VIEW), there.caller(organization, VIEW)
    api = there.signed_in(user)
    assert statuses(api) == [200, 200, 200]

    def revoke() -> None:
        assert there.signed_in(1).patch(f"/user/{user}", json={"rules": []}).status_code == 200

    with redis_that_is("hanging", valkey, revoke):
        assert [api.get(path).status_code for path in ("/node", "/task")] == [401, 401]
        assert witness.get("/node").status_code == 200


def test_readers_at_the_same_time_keep_no_old_right_alive(
    there: Arrangement, organization: int, valkey: ValkeyServer
) -> None:
    root, rules = there.signed_in(1), [there.rule(*grant) for grant in VIEW]
    user = there.user(organization)
    api, over = there.signed_in(user), threading.Event()

    def read() -> None:
        while not over.is_set():
            api.get("/node")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for round_ in range(10):
            given = round_ % 2 == 0
            root.patch(f"/user/{user}", json={"rules": rules if given else []})
            if round_ % 3 == 0:
                valkey.forget_all()
            assert statuses(api) == [200 if given else 401] * 3
    finally:
        over.set()
        for reader in readers:
            reader.join()


def test_what_redis_remembers_from_before_a_backup_was_restored_does_not_count(
    there: Arrangement, organization: int
) -> None:
    user = there.user(organization, grants=VIEW)
    api, root, rules = there.signed_in(user), there.signed_in(1), [there.rule(*grant) for grant in VIEW]
    [backup] = there.rows("SELECT stamp FROM authenticatable WHERE id = :id", id=user)
    assert statuses(api) == [200, 200, 200]
    assert root.patch(f"/user/{user}", json={"rules": []}).status_code == 200
    assert statuses(api) == [401, 401, 401]
    # The database is as it was; Redis is not.
    there.run("UPDATE authenticatable SET stamp = :stamp WHERE id = :id", id=user, **backup)
    for rule in rules:
        there.run("INSERT INTO userpermission (user_id, rule_id) VALUES (:user, :rule)", user=user, rule=rule)
    assert statuses(api) == [200, 200, 200]
    assert root.patch(f"/user/{user}", json={"rules": rules[:2]}).status_code == 200
    assert statuses(api) == [200, 200, 401]


def test_without_auth_only_what_is_remembered_is_answered_and_the_rest_is_a_503(
    there: Arrangement, services: Services, organization: int, valkey: ValkeyServer
) -> None:
    known, unknown = (there.user(organization, grants=VIEW) for _ in range(2))
    [known_api, unknown_api] = map(there.signed_in, (known, unknown))
    assert statuses(known_api) == [200, 200, 200]
    services.kill("auth")
    try:
        assert [known_api.get(path).status_code for path in PATHS[1:]] == [200, 200]
        for path in PATHS[1:]:
            assert_unavailable(unknown_api, path)
        valkey.forget_all()
        with valkey.stopped():
            for path in PATHS[1:]:
                assert_unavailable(known_api, path)
        there.run("UPDATE authenticatable SET stamp = stamp + 1 WHERE id = :id", id=known)
        assert_unavailable(known_api, "/node")
    finally:
        services.start("auth")
        services.wait_ready("auth")
    assert statuses(known_api) == statuses(unknown_api) == [200, 200, 200]


def test_a_service_whose_own_token_is_refused_is_a_503_and_no_401(
    there: Arrangement, services: Services, organization: int, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    shutil.copytree(services.environment["DATAQUALITY_SECRETS"], secrets)
    (secrets / "service_key").write_text("another key than the other services have")
    stranger = Services(
        tmp_path,
        services.database_url,
        services.redis_url,
        services.addresses | {"entity": f"http://127.0.0.1:{free_port()}"},
        services.environment | {"DATAQUALITY_SECRETS": str(secrets)},
    )
    stranger.start("entity")
    try:
        stranger.wait_ready("entity")
        api = there.caller(organization, VIEW)
        assert_unavailable(Api(stranger.addresses, api.token), "/node")
    finally:
        stranger.stop()


def test_a_users_sign_ins_end_with_the_user(there: Arrangement, services: Services, organization: int) -> None:
    user = there.user(organization, username=(name := unique("user")))
    api = services.login(name, "Secret-1-word")
    assert services.login(*ROOT).delete(f"/user/{user}").status_code == 200
    refresh: Any = Api(services.addresses, api.tokens["refresh_token"]).post("/token/refresh")
    assert (refresh.status_code, isinstance(refresh.json()["msg"], str)) == (401, True)
    assert api.get("/rule").status_code == 401


def assert_unavailable(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 503, answer.text
    assert isinstance(answer.json()["msg"], str)
    assert int(answer.headers["retry-after"]) > 0
