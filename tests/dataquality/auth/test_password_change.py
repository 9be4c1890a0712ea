"""PATCH password/change: rest-api.md section 1, and the first user's first password."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.arrange import PASSWORD, Arrangement
from support.databases import PostgresServer, SqliteFiles
from support.services import Api, Services, running_services, unique
from support.valkey import ValkeyServer

NEW = "Another-2-word"


@pytest.fixture
def username(there: Arrangement, organization: int) -> str:
    name = unique("ada")
    there.user(organization, username=name)
    return name


@pytest.fixture
def api(services: Services, username: str) -> Api:
    return services.login(username, PASSWORD)


def change(api: Api, new: object = NEW, current: object = PASSWORD) -> httpx.Response:
    return api.patch("/password/change", json={"current_password": current, "new_password": new})


def test_the_new_password_works_and_the_old_one_does_not(services: Services, api: Api, username: str) -> None:
    response = change(api)
    old = services.anyone.post("/token/user", json={"username": username, "password": PASSWORD})
    assert response.status_code == 200
    assert isinstance(response.json()["msg"], str)
    assert old.status_code == 401
    assert services.login(username, NEW).get("/rule").status_code == 200


def test_a_wrong_current_password_is_unauthorized(services: Services, api: Api, username: str) -> None:
    assert change(api, current="wrong").status_code == 401
    assert services.login(username, PASSWORD)


def test_wrong_current_passwords_lock_like_failed_sign_ins(
    services: Services, there: Arrangement, api: Api, username: str
) -> None:
    for _ in range(5):
        assert change(api, current="wrong").status_code == 401
    assert change(api).status_code == 401
    assert services.anyone.post("/token/user", json={"username": username, "password": PASSWORD}).status_code == 401
    user_id = int(api.tokens["user_url"].rpartition("/")[2])
    entries = there.rows(
        "SELECT action, actor_id FROM audit WHERE subject_type = 'user' AND subject_id = :id", id=user_id
    )
    assert entries == [{"action": "login_locked", "actor_id": user_id}]


def test_a_wrong_current_password_adds_to_failed_sign_ins(services: Services, api: Api, username: str) -> None:
    for _ in range(4):
        services.anyone.post("/token/user", json={"username": username, "password": "wrong"})
    assert change(api, current="wrong").status_code == 401
    assert change(api).status_code == 401


def test_each_rule_for_passwords_has_its_own_message(api: Api) -> None:
    weak = ["Sh0rt-x", "a" * 125 + "A1-x", "No-digit-at-all", "no-upper-1-case", "NO-LOWER-1-CASE", "NoOther1Character"]
    answers = [change(api, new) for new in weak]
    assert [answer.status_code for answer in answers] == [400] * len(weak)
    assert len({answer.json()["msg"] for answer in answers}) == len(weak)
    assert all("new_password" in answer.json()["message"] for answer in answers)


def test_common_password_and_one_with_the_username_are_refused(api: Api, username: str) -> None:
    for new, said in (("P@ssw0rd", "most common passwords"), (f"My-{username.upper()}-1a", "contain the username")):
        answer = change(api, new)
        assert answer.status_code == 400
        assert said in answer.json()["message"]["new_password"]


@pytest.mark.parametrize("new", ["Aa1-5678", "Aa1-" + "x" * 124])
def test_the_shortest_and_the_longest_are_accepted(api: Api, new: str) -> None:
    assert change(api, new).status_code == 200


def test_the_same_password_again_is_a_bad_request(api: Api) -> None:
    assert change(api, PASSWORD).status_code == 400


@pytest.mark.parametrize("body", [{}, {"new_password": NEW}, {"current_password": PASSWORD}, {"new_password": 1}])
def test_missing_fields_are_a_bad_request(api: Api, body: object) -> None:
    assert api.patch("/password/change", json=body).status_code == 400


def test_other_sign_ins_end_and_ones_own_stays(services: Services, api: Api, username: str) -> None:
    other = services.login(username, PASSWORD)
    change(api)
    assert refresh(services, other).status_code == 401
    assert refresh(services, api).status_code == 200


def test_a_replaced_token_of_another_sign_in_gets_no_grace(services: Services, api: Api, username: str) -> None:
    other = services.login(username, PASSWORD)
    assert refresh(services, other).status_code == 200
    change(api)
    assert refresh(services, other).status_code == 401


def test_without_a_token_it_is_unauthorized(services: Services) -> None:
    assert change(services.anyone).status_code == 401


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(
    request: pytest.FixtureRequest, valkey_server: ValkeyServer, tmp_path: Path, sqlite_files: SqliteFiles
) -> Iterator[Services]:
    server: SqliteFiles | PostgresServer = sqlite_files
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
    with (
        server.migrated_database() as url,
        running_services(tmp_path, url, valkey_server.database(14), ("auth",)) as services,
    ):
        yield services


def test_the_server_warns_until_root_has_another_password(fresh: Services) -> None:
    warning = "root still has its first password"
    assert fresh.log("auth").count(warning) == 1
    assert change(fresh.login("root", "root"), current="root").status_code == 200
    restart(fresh)
    assert fresh.log("auth").count(warning) == 1
    assert fresh.login("root", NEW).get("/user/1").json()["username"] == "root"


def test_another_users_new_password_does_not_end_the_warning(fresh: Services) -> None:
    there = Arrangement(fresh)
    there.user(there.organization(), username="ada")
    assert change(fresh.login("ada", PASSWORD)).status_code == 200
    restart(fresh)
    assert fresh.log("auth").count("root still has its first password") == 2


def restart(services: Services) -> None:
    services.kill("auth")
    services.start("auth")
    services.wait_ready("auth")


def refresh(services: Services, api: Api) -> httpx.Response:
    headers = {"Authorization": f"Bearer {api.tokens['refresh_token']}"}
    return services.anyone.post("/token/refresh", headers=headers)
