"""The first user's first password: in `acc` and `prod` it is good for one thing only, to be changed."""

from collections.abc import Iterator

import httpx
import pytest

from support.databases import PostgresServer, SqliteFiles
from support.services import ROOT, Api, Services, running_services, unique
from support.valkey import ValkeyServer

NEW = "Another-2-word"
ELSEWHERE = ["/user", "/user/1", "/role", "/rule", "/organization", "/collaboration", "/node", "/task", "/result"]


@pytest.fixture(params=["sqlite-prod", "postgres-acc"])
def strict(
    request: pytest.FixtureRequest, sqlite_files: SqliteFiles, valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:  # fmt: skip
    """All services that answer, in an environment where it counts."""
    kind, _, environment = str(request.param).partition("-")
    server: SqliteFiles | PostgresServer = sqlite_files
    if kind == "postgres":
        server = request.getfixturevalue("postgres_server")
    parts, settings = ("auth", "entity", "dispatch"), {"DATAQUALITY_ENVIRONMENT": environment}
    folder, redis = tmp_path_factory.mktemp("strict"), valkey_server.database(15)
    with (
        server.migrated_database() as url,
        running_services(folder, url, redis, parts, settings) as services,
    ):
        yield services


def change(api: Api, new: str = NEW, current: str = ROOT[1]) -> httpx.Response:
    return api.patch("/password/change", json={"current_password": current, "new_password": new})


def test_until_it_is_changed_nothing_else_can_be_done_and_then_everything_at_once(strict: Services) -> None:
    root = strict.login(*ROOT)
    me = root.get(root.tokens["user_url"].removeprefix("/api")).json()
    assert me["username"] == "root"
    own = f"/organization/{me['organization']['id']}"
    assert root.get(own).json()["name"] == "root"
    others = [path for path in ELSEWHERE if path != f"/user/{me['id']}"]
    for path in others:
        refusal = root.get(path)
        assert (refusal.status_code, refusal.json()["code"]) == (401, "password_change_needed"), path
        assert "password/change" in refusal.json()["msg"]
    for refusal in (
        root.post("/organization", json={"name": unique("org")}),
        root.patch(own, json={"name": "x"}),
        root.patch(f"/user/{me['id']}", json={"username": "x"}),
        root.delete(f"/user/{me['id']}"),
        change(root, current="wrong"),
    ):
        assert refusal.status_code == 401
    header = {"Authorization": f"Bearer {root.tokens['refresh_token']}"}
    assert root.post("/token/refresh", headers=header).status_code == 200

    assert change(root).status_code == 200
    assert {root.get(path).status_code for path in others} == {200}
    assert strict.login("root", NEW).get("/user").status_code == 200


def test_in_a_test_environment_there_is_only_a_warning(services: Services) -> None:
    assert services.login(*ROOT).get("/user").status_code == 200
    assert "root still has its first password" in services.log("auth")
