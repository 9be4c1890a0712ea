"""What is encrypted passes through as it is, and never unnoticed in the clear (contract, encryption.md)."""

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.collaborations import World, new_world
from support.databases import SqliteFiles
from support.services import Api, Services, running_services
from support.valkey import ValkeyServer

KEY = base64.b64encode(b"-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----\n").decode()
END = {"status": "completed", "finished_at": "2026-11-23T10:00:00"}


def sealed(payload: bytes = b"secret") -> str:
    """A text as the clients' own encryption makes it."""
    return "$".join(base64.b64encode(part).decode() for part in (secrets.token_bytes(512), bytes(16), payload))


IN_THE_CLEAR = [
    base64.b64encode(b"json.{}").decode(),
    "a plain text",
    "$$",
    sealed().rpartition("$")[0],
    sealed() + "$" + sealed(),
    sealed().replace("$", " $ "),
    sealed() + "?",
    sealed(b"x" * 20_000)[:-3000] + "----" + sealed(b"x" * 20_000)[-2996:],
    sealed().replace("AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAA"),
]


def open_result(world: World, text: Any) -> tuple[int, Any]:
    """Ask the first site alone; the status, and the result that it finds or the refusal."""
    site = world.sites[0]
    asked = {"organizations": [{"id": site.id, "input": text}]}
    answer = raw(world.researcher, "POST", "/task", world.question(**asked))
    if answer.status_code != 201:
        return answer.status_code, answer.json()
    return 201, site.open_results(task_id=answer.json()["id"])[0]


def raw(api: Api, method: str, path: str, body: Any) -> Any:
    """With halves of surrogate pairs as JSON can write them, which the client's own JSON cannot."""
    headers = {"Content-Type": "application/json"}
    return api.request(method, path, content=json.dumps(body).encode("ascii"), headers=headers)


def is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


@given(text=st.text(st.characters(codec=None, categories=None), max_size=300) | st.binary().map(sealed))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_come_back_as_they_were_or_are_refused_alike_on_both_databases(common_world: World, text: str) -> None:
    status, found = open_result(common_world, text)
    if not is_storable(text):
        assert (status, list(found["message"])) == (400, ["organizations.0.input"])
        _, found = open_result(common_world, "fine")
    else:
        assert (status, found["input"]) == (201, text)
    site, path = common_world.sites[0], f"/result/{found['id']}"
    answer = raw(site.api, "PATCH", path, END | {"result": text})
    if not is_storable(text):
        assert (answer.status_code, list(answer.json()["message"])) == (400, ["result"])
    else:
        assert (answer.status_code, answer.json()["result"]) == (200, text)
        assert common_world.researcher.get(path).json()["result"] == text


def test_an_encrypted_collaboration_takes_no_task_for_an_organization_without_a_key(services: Services) -> None:
    world = new_world(services, encrypted=True)
    first, second = world.sites
    for empty in (None, ""):
        world.root.patch(f"/organization/{second.id}", json={"public_key": empty})
        assert first.api.patch(f"/organization/{first.id}", json={"public_key": KEY}).status_code == 200
        answer = world.researcher.post("/task", json=world.question())
        assert (answer.status_code, answer.json()["code"]) == (400, "refused")
        msg = answer.json()["msg"]
        assert second.organization["name"] in msg
        assert first.organization["name"] not in msg
    assert world.researcher.get("/task").json() == []
    assert world.researcher.post("/task", json=world.question(first)).status_code == 201
    assert second.api.patch(f"/organization/{second.id}", json={"public_key": KEY}).status_code == 200
    assert world.researcher.post("/task", json=world.question()).status_code == 201


def test_no_key_is_needed_where_nothing_is_encrypted(common_world: World) -> None:
    assert common_world.researcher.post("/task", json=common_world.question()).status_code == 201


def test_what_was_in_the_clear_is_told_in_the_log_and_never_quoted(services: Services) -> None:
    world = secret_world(services)
    text = f"clear {secrets.token_hex(8)}"
    world.ask(organizations=[{"id": world.sites[0].id, "input": text}])
    said = [line for line in services.log("dispatch").splitlines() if "not encrypted" in line]
    assert any(f"collaboration={world.id}" in line and "organizations.0.input" in line for line in said)
    assert text not in services.log("dispatch")


@pytest.fixture(scope="module")
def strict_world(
    sqlite_files: SqliteFiles, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """An encrypted collaboration on a server that refuses what is in the clear."""
    folder: Path = tmp_path_factory.mktemp("strict")
    settings = {"DATAQUALITY_ENCRYPTION_SHAPE_CHECK": "refuse"}
    parts = ("auth", "entity", "dispatch")
    with (
        sqlite_files.migrated_database() as url,
        running_services(folder, url, valkey_server.database(5), parts, settings) as services,
    ):
        yield secret_world(services)


def secret_world(services: Services) -> World:
    world = new_world(services, encrypted=True)
    for site in world.sites:
        assert site.api.patch(f"/organization/{site.id}", json={"public_key": KEY}).status_code == 200
    return world


@pytest.mark.parametrize("text", IN_THE_CLEAR)
def test_a_text_in_the_clear_is_refused_where_the_operator_wants_that(strict_world: World, text: str) -> None:
    status, refused = open_result(strict_world, text)
    assert (status, list(refused["message"])) == (400, ["organizations.0.input"])
    _, found = open_result(strict_world, sealed())
    site = strict_world.sites[0]
    answer = site.api.patch(f"/result/{found['id']}", json=END | {"result": text})
    assert (answer.status_code, list(answer.json()["message"])) == (400, ["result"])
    assert site.api.get(f"/result/{found['id']}").json()["status"] == "pending"


@pytest.mark.parametrize("text", [sealed(), sealed(b""), sealed(b"x" * 20_000), None, ""])
def test_what_is_encrypted_or_empty_is_taken(strict_world: World, text: str | None) -> None:
    status, found = open_result(strict_world, text)
    assert (status, found["input"]) == (201, text)
    answer = strict_world.sites[0].api.patch(f"/result/{found['id']}", json=END | {"result": text})
    assert (answer.status_code, answer.json()["result"]) == (200, text)


def test_an_open_collaboration_is_not_checked(strict_world: World) -> None:
    open_world = new_world(strict_world.services)
    assert open_result(open_world, "a plain text")[0] == 201
