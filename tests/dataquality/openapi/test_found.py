"""What schemathesis found, each as a plain test."""

from typing import Any

import pytest

from support.collaborations import World, new_world
from support.services import Services, unique


@pytest.fixture(scope="module")
def world(services_on_sqlite: Services) -> World:
    return new_world(services_on_sqlite, sites=1)


def test_a_whole_number_is_one_however_json_writes_it(world: World) -> None:
    [site] = world.sites
    question = world.question() | {"collaboration_id": float(world.id), "organizations": [{"id": float(site.id)}]}
    task = world.researcher.made("/task", question)
    [result] = site.open_results(task_id=task["id"])
    opened = site.api.made("/port", {"port": 8888.0, "result_id": float(result["id"])})
    assert (opened["port"], opened["result"]) == (8888, result["id"])
    asked = {"task_id": float(task["id"]), "image": task["image"]}
    assert site.api.made("/token/container", asked)["container_token"]
    assert world.root.made("/kill/task", {"id": float(task["id"])})
    other = world.root.made("/organization", {"name": unique("org")})
    assert world.root.made(f"/collaboration/{world.id}/organization", {"id": float(other["id"])})


@pytest.mark.parametrize("value", [1.5, "1", True, [1], None])
def test_what_is_no_whole_number_is_no_id_and_no_port(world: World, value: Any) -> None:
    for path, body in (
        ("/kill/task", {"id": value}),
        ("/token/container", {"task_id": value, "image": "image"}),
        ("/port", {"port": value, "result_id": 1}),
        ("/task", world.question() | {"collaboration_id": value}),
    ):
        caller = world.researcher if path in ("/kill/task", "/task") else world.sites[0].api
        answer = caller.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), path


@pytest.mark.parametrize("content", [b"\xff\xfe", b'{"name": "\xff"}', b"{"])
def test_a_body_that_is_not_even_text_is_malformed_like_any_other(world: World, content: bytes) -> None:
    for path in ("/organization", "/token/node", "/task"):
        answer = world.root.post(path, content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), path


def test_recovery_without_a_name_and_without_an_address_is_malformed(world: World) -> None:
    for body in ({}, {"username": None, "email": None}, {"username": "", "email": ""}):
        answer = world.services.anyone.post("/recover/lost", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), body


def test_what_cannot_be_done_as_things_stand_is_refused_and_not_called_malformed(world: World) -> None:
    name, task = unique("collaboration"), world.ask(world.sites[0])
    body: dict[str, Any] = {"name": name, "organization_ids": []}
    assert world.root.post("/collaboration", json=body).is_success
    assert world.root.post("/kill/task", json={"id": task["id"]}).is_success
    for path, refused in (
        ("/collaboration", body),
        ("/kill/task", {"id": task["id"]}),
        ("/role", {"name": "Researcher", "description": ""}),
        ("/task", world.question() | {"deadline": "2001-01-01T00:00:00+00:00"}),
    ):
        caller = world.researcher if path == "/task" else world.root
        answer = caller.post(path, json=refused)
        assert (answer.status_code, answer.json()["code"]) == (400, "refused"), path


def test_a_result_that_has_ended_cannot_be_open(world: World) -> None:
    world.ask(world.sites[0])
    [result, *_] = world.sites[0].open_results()
    body = {"finished_at": "2026-11-24T10:00:00+00:00", "status": "active"}
    answer = world.sites[0].api.patch(f"/result/{result['id']}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
