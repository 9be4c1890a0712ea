"""The first user's first password: in `acc` and `prod` nobody signs in with it over the network."""

from collections.abc import Iterator

import httpx
import pytest

from dataquality.jobs.migrate import FIRST_PASSWORD_SAID
from support.arrange import Arrangement
from support.databases import PostgresServer, SqliteFiles
from support.services import ROOT, Api, Services, further_auth, running_services, unique
from support.valkey import ValkeyServer

NEW = "Another-2-word"


@pytest.fixture(params=["sqlite-prod", "postgres-acc"])
def strict(
    request: pytest.FixtureRequest, sqlite_files: SqliteFiles, valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:  # fmt: skip
    """The service that signs people in, in an environment where it counts."""
    kind, _, environment = str(request.param).partition("-")
    server: SqliteFiles | PostgresServer = sqlite_files
    if kind == "postgres":
        server = request.getfixturevalue("postgres_server")
    settings = {"DATAQUALITY_ENVIRONMENT": environment}
    folder, redis = tmp_path_factory.mktemp("strict"), valkey_server.database(15)
    with (
        server.migrated_database() as url,
        running_services(folder, url, redis, ("auth",), settings) as services,
    ):
        yield services


def sign_in(services: Services, username: str, password: str) -> httpx.Response:
    return services.anyone.post("/token/user", json={"username": username, "password": password})


def set_password(services: Services, password: str, username: str = "root") -> None:
    done = services.run("dataquality.jobs.set_password", username, stdin=password.encode())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_first_password_is_a_wrong_one_until_the_operator_sets_another(strict: Services) -> None:
    first, wrong = sign_in(strict, *ROOT), sign_in(strict, "root", "wrong")
    assert (first.status_code, first.json()) == (wrong.status_code, wrong.json())
    assert first.status_code == 401
    for _ in range(4):  # with those before more than `max_failed_attempts`
        assert sign_in(strict, *ROOT).status_code == 401
    entries = Arrangement(strict).rows("SELECT action FROM audit WHERE subject_type = 'user'")
    assert entries == [{"action": "login_locked"}]

    set_password(strict, NEW)
    assert sign_in(strict, *ROOT).status_code == 401
    assert strict.login("root", NEW).get("/user").status_code == 200


def test_first_password_is_wrong_under_any_name_and_for_a_lost_second_factor(strict: Services) -> None:
    there = Arrangement(strict)
    there.run("UPDATE \"user\" SET username = 'boss' WHERE username = 'root'")
    assert sign_in(strict, "boss", "root").status_code == 401
    lost = {"username": "boss", "password": "root"}
    assert strict.anyone.post("/recover/2fa/lost", json=lost).status_code == 401


def test_whoever_signed_in_with_it_before_the_environment_became_strict_can_do_nothing(
    strict: Services, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lax = further_auth(strict, tmp_path_factory.mktemp("lax"), {"DATAQUALITY_ENVIRONMENT": "dev"})
    try:
        lax.wait_ready("auth")
        tokens = lax.login(*ROOT)
    finally:
        lax.stop()
    root = Api(strict.addresses, tokens.token)
    me = tokens.tokens["user_url"].removeprefix("/api")
    change = {"current_password": ROOT[1], "new_password": NEW}
    for refusal in (root.get("/user"), root.get(me), root.patch("/password/change", json=change)):
        assert (refusal.status_code, refusal.json()["code"]) == (401, "password_change_needed")
        assert "vserver user set-password root" in refusal.json()["msg"]


def test_migration_ends_with_the_sentence_that_start_looks_for_until_it_is_changed(strict: Services) -> None:
    assert FIRST_PASSWORD_SAID == "The user root still has its first password."
    said = [strict.run("dataquality.jobs.migrate").stdout.decode().splitlines()[-1]]
    set_password(strict, NEW)
    said.append(strict.run("dataquality.jobs.migrate").stdout.decode().splitlines()[-1])
    assert [line.endswith(FIRST_PASSWORD_SAID) for line in said] == [True, False]


def test_in_a_test_environment_there_is_only_a_warning(services: Services) -> None:
    assert services.login(*ROOT).get("/user").status_code == 200
    assert "root still has its first password" in services.log("auth")


def test_operator_sets_the_password_of_anybody_which_ends_lock_and_sign_ins(services: Services) -> None:
    there, name = Arrangement(services), unique("ada")
    there.user(there.organization(), username=name)
    set_password(services, NEW, name)
    ada = services.login(name, NEW)
    for _ in range(5):
        assert sign_in(services, name, "wrong").status_code == 401
    assert sign_in(services, name, NEW).status_code == 401
    set_password(services, "Third-3-word", name)
    assert services.login(name, "Third-3-word").get("/rule").status_code == 200
    header = {"Authorization": f"Bearer {ada.tokens['refresh_token']}"}
    assert services.anyone.post("/token/refresh", headers=header).status_code == 401
    trail = there.rows("SELECT actor_type, action FROM audit WHERE action = 'user_changed' ORDER BY id DESC LIMIT 1")
    assert trail == [{"actor_type": "operator", "action": "user_changed"}]


@pytest.mark.parametrize(
    ("username", "given", "said"),
    [
        ("root", b"short", "The password must have at least 8 characters."),
        ("root", b"A-root-2-word", "The password must not contain the username."),
        ("root", b"P@ssw0rd", "The password must not be one of the 10,000 most common passwords."),
        ("root", b"\xff\xfe-Aa1-5678", "The password must be text in UTF-8."),
        ("root", b"Aa1-" * 2000, "The password must have at most 4096 bytes."),
        ("nobody-here", NEW.encode(), "There is no user with the username 'nobody-here'."),
    ],
)
def test_what_cannot_be_set_is_said_in_one_line(services: Services, username: str, given: bytes, said: str) -> None:
    done = services.run("dataquality.jobs.set_password", username, stdin=given)
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (4, "", f"{said}\n")
