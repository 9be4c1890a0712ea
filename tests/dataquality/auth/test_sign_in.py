"""POST token/user: rest-api.md section 1."""

from datetime import UTC, datetime, timedelta

import bcrypt
import httpx
import pytest

from support.arrange import PASSWORD, Arrangement, at_once
from support.services import Services, unique
from support.tokens import claims_of


@pytest.fixture
def username(there: Arrangement, organization: int) -> str:
    name = unique("ada")
    there.user(organization, username=name, roles=[there.role_id("Viewer"), there.role_id("Researcher")])
    return name


def sign_in(services: Services, username: str, password: str = PASSWORD) -> httpx.Response:
    return services.anyone.post("/token/user", json={"username": username, "password": password})


def test_a_user_gets_the_token_object_and_the_header(services: Services, username: str) -> None:
    response = sign_in(services, username)
    body = response.json()
    user_id = claims_of(body["access_token"])["sub"]
    assert response.status_code == 200
    assert body.keys() == {"access_token", "refresh_token", "refresh_url", "user_url"}
    assert body["refresh_url"] == "/api/token/refresh"
    assert body["user_url"] == f"/api/user/{user_id}"
    assert response.headers["jwt-token"] == body["access_token"]


def test_the_claims_are_those_of_the_contract(services: Services, username: str) -> None:
    body = sign_in(services, username).json()
    access, refresh = claims_of(body["access_token"]), claims_of(body["refresh_token"])
    assert isinstance(access["sub"], int)
    assert (access["client_type"], access["type"], access["fresh"]) == ("user", "access", False)
    assert access["roles"] == ["Viewer", "Researcher"]
    assert access.keys() >= {"iat", "nbf", "exp", "jti"}
    assert access["exp"] - access["iat"] == 6 * 3600
    assert refresh["type"] == "refresh"
    assert refresh["exp"] - refresh["iat"] == 48 * 3600


def test_unknown_users_and_wrong_passwords_get_the_same_answer(services: Services, username: str) -> None:
    wrong, unknown = sign_in(services, username, "wrong"), sign_in(services, unique("nobody"))
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


@pytest.mark.parametrize("body", [{}, {"username": "ada"}, {"password": "x"}, {"username": 1, "password": "x"}, []])
def test_incomplete_credentials_are_a_bad_request(services: Services, body: object) -> None:
    response = services.anyone.post("/token/user", json=body)
    assert response.status_code == 400
    assert isinstance(response.json()["msg"], str)


@pytest.mark.parametrize("content", [b"", b"{", b"username=ada", b'{"username": "\\ud800", "password": "x"}'])
def test_what_is_not_json_is_a_bad_request(services: Services, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = services.anyone.post("/token/user", content=content, headers=headers)
    assert response.status_code == 400
    assert isinstance(response.json()["msg"], str)


def test_after_five_wrong_passwords_the_right_one_is_refused(
    services: Services, there: Arrangement, username: str
) -> None:
    answers = [sign_in(services, username, "wrong") for _ in range(5)]
    locked = sign_in(services, username)
    assert locked.status_code == 401
    assert {answer.json()["msg"] for answer in answers} == {locked.json()["msg"]}
    entries = there.rows(
        "SELECT action FROM audit WHERE subject_type = 'user' AND subject_id ="
        ' (SELECT id FROM "user" WHERE username = :name)',
        name=username,
    )
    assert entries == [{"action": "login_locked"}]


def test_four_wrong_passwords_do_not_lock(services: Services, username: str) -> None:
    for _ in range(4):
        sign_in(services, username, "wrong")
    assert sign_in(services, username).status_code == 200


def test_a_right_password_forgets_the_wrong_ones(services: Services, username: str) -> None:
    for password in ("wrong",) * 4 + (PASSWORD,) + ("wrong",) * 4:
        sign_in(services, username, password)
    assert sign_in(services, username).status_code == 200


def test_wrong_passwords_at_once_all_count(services: Services, username: str) -> None:
    at_once(5, lambda: sign_in(services, username, "wrong"))
    assert sign_in(services, username).status_code == 401


def test_the_lock_ends_after_the_window(services: Services, there: Arrangement, username: str) -> None:
    for _ in range(5):
        sign_in(services, username, "wrong")
    let_time_pass(there, username, minutes=16)
    assert sign_in(services, username).status_code == 200


def test_the_first_failure_after_the_window_counts_as_one(
    services: Services, there: Arrangement, username: str
) -> None:
    for _ in range(5):
        sign_in(services, username, "wrong")
    let_time_pass(there, username, minutes=16)
    for _ in range(4):
        sign_in(services, username, "wrong")
    assert sign_in(services, username).status_code == 200


def test_a_hash_of_the_older_server_is_accepted_and_replaced(
    services: Services, there: Arrangement, username: str
) -> None:
    older = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    there.run('UPDATE "user" SET password = :hash WHERE username = :name', hash=older, name=username)
    answers = at_once(2, lambda: sign_in(services, username))
    [row] = there.rows('SELECT password FROM "user" WHERE username = :name', name=username)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert row["password"].startswith("$argon2id$")
    assert sign_in(services, username).status_code == 200


def test_signing_in_sets_last_seen(services: Services, username: str) -> None:
    before = datetime.now(UTC)
    api = services.login(username, PASSWORD)
    user_id = claims_of(api.tokens["access_token"])["sub"]
    assert before <= datetime.fromisoformat(api.get(f"/user/{user_id}").json()["last_seen"]) <= datetime.now(UTC)


def test_no_answer_and_no_log_line_holds_a_secret(services: Services, there: Arrangement, username: str) -> None:
    api = services.login(username, PASSWORD)
    api.get("/user/1")
    log = services.log("auth")
    for secret in (PASSWORD, api.tokens["access_token"], there.secret("jwt_secret_key")):
        assert secret not in log


def let_time_pass(there: Arrangement, username: str, minutes: int) -> None:
    earlier = datetime.now(UTC) - timedelta(minutes=minutes)
    there.run('UPDATE "user" SET last_failed_login_at = :at WHERE username = :name', at=earlier, name=username)


def test_a_code_may_be_written_as_any_whole_json_number(services: Services):
    body = {"username": unique("nobody"), "password": "Wrong-1-word", "mfa_code": 123456.0}
    assert services.anyone.post("/token/user", json=body).status_code == 401
