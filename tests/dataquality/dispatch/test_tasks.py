"""Asking: POST, GET and DELETE task (contract, rest-api.md section 3.1)."""

from typing import Any, cast

import pytest

from support.collaborations import World, new_site, new_world
from support.services import Api, Services, unique

TASK_KEYS = {
    "id", "name", "description", "image", "database", "run_id", "initiator", "init_user", "collaboration", "parent",
    "children", "results", "complete", "status", "created_at", "finished_at", "deadline",
}  # fmt: skip


def ids(answer: Any) -> list[int]:
    return [one["id"] for one in answer.json()]


def test_a_new_task_has_a_pending_result_for_each_organization(common_world: World):
    body = common_world.question()
    task = common_world.researcher.made("/task", body)
    assert task.keys() == TASK_KEYS
    assert {key: task[key] for key in ("name", "description", "image", "database")} == {
        key: body[key] for key in ("name", "description", "image", "database")
    }
    assert task["initiator"] == common_world.sites[0].id
    assert task["init_user"] == common_world.researcher.get("/user").json()[-1]["id"]
    link = {
        "id": common_world.id,
        "link": f"/api/collaboration/{common_world.id}",
        "methods": ["GET", "PATCH", "DELETE"],
    }
    assert task["collaboration"] == link
    assert (task["parent"], task["children"]) == (None, None)
    assert (task["status"], task["complete"], task["finished_at"]) == ("pending", False, None)
    assert [set(result) for result in task["results"]] == [{"id", "link", "methods"}] * 2
    for site in common_world.sites:
        [result] = site.open_results(task_id=task["id"])
        assert (result["status"], result["input"]) == ("pending", f"input of {site.id}")


def test_each_task_of_a_user_begins_a_run_of_its_own(common_world: World):
    runs = [common_world.ask()["run_id"] for _ in range(3)]
    assert runs == sorted(set(runs))


def test_an_input_that_is_an_object_is_kept_as_its_text(common_world: World):
    site = common_world.sites[0]
    task = common_world.ask(organizations=[{"id": site.id, "input": {"method": "mean"}}])
    assert site.open_results(task_id=task["id"])[0]["input"] == '{"method": "mean"}'


def test_a_task_for_nobody_is_complete_at_once(common_world: World):
    task = common_world.ask(organizations=[])
    assert (task["complete"], task["status"], task["results"], task["finished_at"]) == (True, "unknown", None, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"organizations": None}, "organizations"),
        ({"organizations": [{"input": "x"}]}, "organizations.0.id"),
        ({"organizations": [{"id": "2"}]}, "organizations.0.id"),
        ({"organizations": [{"id": 2, "input": "a\x00b"}]}, "organizations.0.input"),
        ({"organizations": [{"id": 2**40}]}, "organizations.0.id"),
        ({"image": ""}, "image"),
        ({"image": None}, "image"),
        ({"name": 7}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"collaboration_id": True}, "collaboration_id"),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_the_field(common_world: World, changes: dict[str, Any], field: str):
    answer = common_world.researcher.post("/task", json=common_world.question(**changes))
    assert answer.status_code == 400
    assert list(answer.json()["message"]) == [field]
    assert isinstance(answer.json()["msg"], str)


def test_what_cannot_be_asked_is_refused_in_the_order_of_the_contract(services: Services, world: World):
    stranger = new_world(services, 1).sites[0]
    late = world.root.made("/organization", {"name": unique("org")})
    assert world.root.post(f"/collaboration/{world.id}/organization", json={"id": late["id"]}).status_code == 200

    unknown = world.researcher.post("/task", json=world.question(collaboration_id=2**31 - 1))
    assert unknown.status_code == 404

    outsider = world.researcher.post("/task", json=world.question(world.sites[0], stranger))
    assert (outsider.status_code, str(stranger.id) in outsider.json()["msg"]) == (400, True)

    no_node = world.researcher.post("/task", json=world.question(organizations=[{"id": late["id"], "input": "x"}]))
    assert (no_node.status_code, str(late["id"]) in no_node.json()["msg"]) == (400, True)

    # Root holds every rule, and still has to belong to the collaboration.
    assert world.root.post("/task", json=world.question()).status_code == 401
    assert world.user("Viewer", world.sites[0].id).post("/task", json=world.question()).status_code == 401
    assert world.sites[0].api.post("/task", json=world.question()).status_code == 401
    assert services.anyone.post("/task", json=world.question()).status_code == 401


def test_tasks_are_listed_newest_first_and_only_to_members(services: Services, world: World):
    tasks = [world.ask()["id"] for _ in range(3)]
    mine = world.researcher.get("/task")
    assert (mine.status_code, ids(mine)) == (200, tasks[::-1])
    assert mine.json()[0].keys() == TASK_KEYS
    assert ids(world.sites[1].api.get("/task")) == tasks[::-1]
    assert set(ids(world.root.get("/task"))) >= set(tasks)
    assert ids(new_world(services, 1).researcher.get("/task")) == []
    assert services.anyone.get("/task").status_code == 401


def test_filters_find_tasks(world: World):
    first = world.ask(world.sites[0], name="the first", image="a/b:1", description="one", database="x")
    second = world.ask(world.sites[1], name="the second", image="c/d:2", description="two", database="y")
    [result] = first["results"]

    def found(**query: Any) -> list[int]:
        return ids(world.researcher.get("/task", params=query))

    assert found(name="%first") == found(name="THE F%") == [first["id"]]
    assert found(name="first") == []
    assert found(image="a%") == found(description="one") == found(database="x") == [first["id"]]
    assert found(run_id=second["run_id"]) == [second["id"]]
    assert found(result_id=result["id"]) == [first["id"]]
    assert found(initiator_id=world.sites[0].id) == [second["id"], first["id"]]
    assert found(initiator_id=world.sites[1].id) == []
    assert found(init_user_id=first["init_user"], collaboration_id=world.id) == [second["id"], first["id"]]
    assert found(parent_id=first["id"]) == []
    assert world.sites[0].api.patch(f"/result/{result['id']}", json={"status": "crashed"}).status_code == 200
    assert (found(status="failed"), found(status="pending")) == ([first["id"]], [second["id"]])
    assert world.researcher.get("/task", params={"run_id": "x"}).status_code == 400
    assert world.researcher.get("/task", params={"page": 0}).status_code == 400


def test_the_list_is_paged_with_both_forms_of_metadata(world: World):
    tasks = [world.ask()["id"] for _ in range(3)]
    answer = world.researcher.get("/task?include=metadata&include=results&page=2&per_page=2")
    assert [one["id"] for one in answer.json()["data"]] == [tasks[0]]
    assert answer.json()["links"]["previous"] == "/api/task?include=metadata&include=results&page=1&per_page=2"
    assert answer.headers["total-count"] == "3"
    assert "rel=last" in answer.headers["link"]


@pytest.mark.parametrize("word", ["results", "result"])
def test_results_are_included_on_request(common_world: World, word: str):
    task = common_world.ask(common_world.sites[0])
    nobody = common_world.ask(organizations=[])
    for path in (f"/task/{task['id']}", "/task", f"/collaboration/{common_world.id}/task"):
        answer: Any = common_world.researcher.get(path, params={"include": word}).json()
        found: Any = answer
        if isinstance(answer, list):
            found = next(one for one in cast(list[Any], answer) if one["id"] == task["id"])
        [result] = found["results"]
        assert result["organization"] == common_world.sites[0].id
        assert "task" not in result
        assert result["node"]["id"] == common_world.sites[0].node["id"]
    assert common_world.researcher.get(f"/task/{nobody['id']}", params={"include": word}).json()["results"] == []


def test_the_status_of_a_task_follows_from_its_results(common_world: World):
    task = common_world.ask()
    first, second = (site.open_results(task_id=task["id"])[0]["id"] for site in common_world.sites)

    def told(site: int, result: int, **what: Any) -> dict[str, Any]:
        assert common_world.sites[site].api.patch(f"/result/{result}", json=what).status_code == 200
        return common_world.researcher.get(f"/task/{task['id']}").json()

    assert told(0, first, status="initializing")["status"] == "initializing"
    assert told(1, second, status="active")["status"] == "active"
    half = told(0, first, status="completed", finished_at="2026-01-02T00:00:00")
    assert (half["status"], half["complete"], half["finished_at"]) == ("active", False, None)
    whole = told(1, second, status="completed", finished_at="2026-01-01T00:00:00")
    last = "2026-01-02T00:00:00.000000+00:00"
    assert (whole["status"], whole["complete"], whole["finished_at"]) == ("completed", True, last)


def test_one_task_is_shown_to_members_and_an_unknown_one_comes_before_the_rules(services: Services, world: World):
    task = world.ask()
    path = f"/task/{task['id']}"
    assert world.researcher.get(path).json() == task
    assert world.sites[1].api.get(path).json()["id"] == task["id"]
    outsider = new_world(services, 1).researcher
    assert (outsider.get(path).status_code, outsider.get("/task/999999999").status_code) == (401, 404)
    assert outsider.get(f"/task/{2**70}").status_code == 404
    assert outsider.get("/task/one").status_code == 404


def test_the_tasks_of_a_collaboration_are_for_its_members(services: Services, world: World):
    task = world.ask()
    path = f"/collaboration/{world.id}/task"
    assert ids(world.researcher.get(path)) == ids(world.sites[0].api.get(path)) == [task["id"]]
    assert new_world(services, 1).researcher.get(path).status_code == 401
    assert world.researcher.get("/collaboration/999999999/task").status_code == 404
    assert world.sites[0].container(task).get(path).status_code == 401


def test_a_deleted_task_takes_its_results_and_subtasks_along(services: Services, world: World):
    task = world.ask(world.sites[0])
    container = world.sites[0].container(task)
    below = container.made("/task", world.question(world.sites[1]))
    result = below["results"][0]["id"]

    assert new_world(services, 1).researcher.delete(f"/task/{task['id']}").status_code == 401
    assert world.user("Viewer", world.sites[0].id).delete(f"/task/{task['id']}").status_code == 401
    assert world.sites[0].api.delete(f"/task/{task['id']}").status_code == 401
    assert world.user("Researcher", world.sites[1].id).delete(f"/task/{task['id']}").status_code == 200
    for path in (f"/task/{task['id']}", f"/task/{below['id']}", f"/result/{result}"):
        assert world.researcher.get(path).status_code == 404
    assert world.researcher.delete(f"/task/{task['id']}").status_code == 404


def test_a_node_that_was_made_anew_finds_what_its_predecessor_left(services: Services, world: World):
    site = world.sites[1]
    task = world.ask(site)
    assert world.root.delete(f"/node/{site.node['id']}").status_code == 200
    successor = new_site(services, world.root, world.id, site.organization)
    [result] = successor.open_results(task_id=task["id"])
    assert result["node"]["id"] == successor.node["id"]
    answer = {"result": "r", "finished_at": "2026-01-01T00:00:00"}
    assert successor.api.patch(f"/result/{result['id']}", json=answer).status_code == 200


def test_other_methods_are_refused_in_json(root: Api):
    answer = root.patch("/task/1", json={})
    assert (answer.status_code, isinstance(answer.json()["msg"], str)) == (405, True)


def test_a_task_may_have_a_deadline_and_its_subtasks_have_it_too(common_world: World):
    site = common_world.sites[0]
    task = common_world.ask(site, deadline="2099-01-01T12:00:00+02:00")
    assert task["deadline"] == "2099-01-01T10:00:00.000000+00:00"
    assert common_world.researcher.get(f"/task/{task['id']}").json()["deadline"] == task["deadline"]
    below = site.container(task).made("/task", common_world.question(site))
    assert below["deadline"] == task["deadline"]
    assert common_world.ask(site)["deadline"] is None


@pytest.mark.parametrize("wrong", ["2020-01-01T12:00:00+00:00", "2099-01-01T12:00:00", "soon", 7])
def test_a_deadline_is_a_time_to_come_with_its_zone(common_world: World, wrong: Any):
    answer = common_world.researcher.post("/task", json=common_world.question(deadline=wrong))
    assert (answer.status_code, list(answer.json()["message"])) == (400, ["deadline"])
