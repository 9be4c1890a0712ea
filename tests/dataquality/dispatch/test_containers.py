"""Algorithm containers: what they may ask, and what they may see."""

from typing import Any

import pytest

from support.collaborations import IMAGE, World, new_site
from support.services import Api, unique


@pytest.fixture
def task(world: World) -> dict[str, Any]:
    return world.ask(world.sites[0])


@pytest.fixture
def container(world: World, task: dict[str, Any]) -> Api:
    return world.sites[0].container(task)


def test_a_subtask_belongs_to_the_run_of_its_parent(world: World, task: dict[str, Any], container: Api):
    below = container.made("/task", world.question(world.sites[1]))
    assert (below["run_id"], below["init_user"]) == (task["run_id"], task["init_user"])
    assert below["parent"] == {"id": task["id"], "link": f"/api/task/{task['id']}", "methods": ["GET", "DELETE"]}
    assert below["initiator"] == world.sites[0].id
    parent = world.researcher.get(f"/task/{task['id']}").json()
    assert [child["id"] for child in parent["children"]] == [below["id"]]
    assert [one["id"] for one in world.researcher.get("/task", params={"parent_id": task["id"]}).json()] == [
        below["id"]
    ]


@pytest.mark.parametrize("image", [f"evil.example/{IMAGE}", f"{IMAGE}0", "other:1"])
def test_a_container_may_only_ask_for_its_own_image(world: World, container: Api, image: str):
    assert container.post("/task", json=world.question(image=image)).status_code == 401


def test_a_container_may_only_ask_within_its_collaboration(world: World, container: Api):
    site = world.sites[0]
    body = {"name": unique("col"), "organization_ids": [site.id]}
    elsewhere = world.root.made("/collaboration", body)["id"]
    new_site(world.services, world.root, elsewhere, site.organization)
    answer = container.post("/task", json=world.question(site, collaboration_id=elsewhere))
    assert answer.status_code == 401


def test_a_container_sees_its_run_and_nothing_else(world: World, task: dict[str, Any], container: Api):
    other = world.ask()
    below = container.made("/task", world.question(world.sites[1]))
    assert [one["id"] for one in container.get("/task").json()] == [below["id"], task["id"]]
    assert container.get(f"/task/{task['id']}").status_code == 200
    assert container.get(f"/task/{other['id']}").status_code == 401
    assert len(container.get("/result").json()) == 2
    assert container.get(f"/result/{below['results'][0]['id']}").status_code == 200
    assert container.get(f"/result/{other['results'][0]['id']}").status_code == 401
    assert [one["task"] for one in container.get(f"/task/{below['id']}/result").json()] == [below["id"]]
    assert container.get(f"/task/{other['id']}/result").status_code == 401


def test_a_container_is_refused_once_its_task_is_complete(world: World, task: dict[str, Any], container: Api):
    assert container.get("/task").status_code == 200
    end = {"result": "r", "finished_at": "2026-11-23T10:00:00"}
    assert world.sites[0].api.patch(f"/result/{task['results'][0]['id']}", json=end).status_code == 200
    assert container.get("/task").status_code == 401
    assert container.post("/task", json=world.question()).status_code == 401


def test_a_container_ends_with_its_part_of_the_task_though_others_go_on(world: World):
    task = world.ask()
    first, second = (site.container(task) for site in world.sites)
    [result] = world.sites[0].open_results(task_id=task["id"])
    end = {"result": "r", "finished_at": "2026-11-23T10:00:00"}
    assert world.sites[0].api.patch(f"/result/{result['id']}", json=end).status_code == 200
    assert first.get("/task").status_code == 401
    assert first.post("/task", json=world.question()).status_code == 401
    assert second.get("/task").status_code == 200


def test_a_container_can_change_nothing(world: World, task: dict[str, Any], container: Api):
    result = task["results"][0]["id"]
    assert container.patch(f"/result/{result}", json={"log": "x"}).status_code == 401
    assert container.delete(f"/task/{task['id']}").status_code == 401
    assert container.post("/kill/task", json={"id": task["id"]}).status_code == 401
    assert container.post("/port", json={"port": 1, "result_id": result}).status_code == 401
    assert container.delete("/port", params={"result_id": result}).status_code == 401
