"""Answering: GET and PATCH result, and the results of a task (contract, rest-api.md section 3.2)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.collaborations import Site, World, new_site, new_world
from support.services import Services

RESULT_KEYS = {
    "id", "status", "input", "result", "log", "assigned_at", "started_at", "finished_at", "organization", "task",
    "node", "ports",
}  # fmt: skip
END = {"result": "cmVzdWx0", "log": "done", "finished_at": "2026-11-23T10:00:01.5"}


def ids(answer: Any) -> list[int]:
    return [one["id"] for one in answer.json()]


def asked(world: World, site: Site) -> str:
    """The path of a new result of the site."""
    task = world.ask(site)
    return f"/result/{site.open_results(task_id=task['id'])[0]['id']}"


@pytest.fixture
def site(common_world: World) -> Site:
    return common_world.sites[0]


@pytest.fixture
def path(common_world: World, site: Site) -> str:
    return asked(common_world, site)


def told(site: Site, path: str, **what: Any) -> dict[str, Any]:
    answer = site.api.patch(path, json=what)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_result_goes_all_the_way_round(common_world: World, site: Site, path: str):
    before = common_world.researcher.get(path).json()
    assert before.keys() == RESULT_KEYS
    assert before["node"].keys() == {"id", "name", "ip", "status", "config"}
    assert before["organization"] == {
        "id": site.id,
        "link": f"/api/organization/{site.id}",
        "methods": ["GET", "PATCH"],
    }
    assert before["task"]["methods"] == ["GET", "DELETE"]
    assert (before["status"], before["result"], before["log"], before["started_at"]) == ("pending", None, None, None)

    started = told(site, path, started_at="2026-11-23T10:00:00.000001")
    assert (started["status"], started["started_at"]) == ("active", "2026-11-23T10:00:00.000001+00:00")
    assert told(site, path, status="active") == started
    ended = told(site, path, status="completed", **END)
    assert (ended["status"], ended["result"], ended["log"]) == ("completed", "cmVzdWx0", "done")
    assert ended["started_at"] == started["started_at"]
    assert ended["finished_at"] == "2026-11-23T10:00:01.500000+00:00"
    assert common_world.researcher.get(path).json() == ended


def test_an_older_node_sends_no_status_and_it_follows_from_the_times(site: Site, path: str):
    assert told(site, path, started_at="2026-11-23T10:00:00")["status"] == "active"
    assert told(site, path, **END)["status"] == "completed"


def test_what_a_node_leaves_out_or_sends_as_null_stays(site: Site, path: str):
    told(site, path, log="so far", started_at="2026-11-23T10:00:00")
    after = told(site, path, result="half", log=None, started_at=None, finished_at=None, status=None)
    assert (after["log"], after["result"], after["status"]) == ("so far", "half", "active")
    assert after["finished_at"] is None


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-11-23T10:00:00", "2026-11-23T10:00:00.000000+00:00"),
        ("2026-11-23T10:00:00.123456", "2026-11-23T10:00:00.123456+00:00"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00.000000+00:00"),
        ("2026-11-23T10:00:00+02:00", "2026-11-23T08:00:00.000000+00:00"),
        ("20261123T100000", "2026-11-23T10:00:00.000000+00:00"),
        ("2026-11-23 10:00", "2026-11-23T10:00:00.000000+00:00"),
    ],
)
def test_any_iso_time_is_taken(site: Site, path: str, sent: str, kept: str):
    assert told(site, path, started_at=sent)["started_at"] == kept


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"started_at": "yesterday"}, "started_at"),
        ({"finished_at": 5}, "finished_at"),
        ({"finished_at": "0001-01-01T00:00:00+14:00"}, "finished_at"),
        ({"status": "unknown"}, "status"),
        ({"result": 1}, "result"),
        ({"result": "a\x00b"}, "result"),
        ({"status": "active", "finished_at": "2026-11-23T10:00:00"}, "body"),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_the_field(site: Site, path: str, body: dict[str, Any], field: str):
    answer = site.api.patch(path, json=body)
    assert (answer.status_code, list(answer.json()["message"])) == (400, [field])


def test_a_log_with_characters_that_no_database_holds_does_not_cost_the_result(site: Site, path: str):
    body = b'{"log": "a\\u0000b\\ud800c", "result": "r", "finished_at": "2026-11-23T10:00:00"}'
    answer = site.api.patch(path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["log"]) == (200, "a\N{REPLACEMENT CHARACTER}b?c")


def test_a_large_result_comes_back_as_it_went(site: Site, path: str):
    text = "ab$c" * 1_000_000
    assert told(site, path, **END | {"result": text})["result"] == text


def test_the_same_answer_again_is_fine_and_another_one_is_refused(common_world: World, site: Site, path: str):
    ended = told(site, path, **END)
    assert told(site, path, **END) == ended
    assert told(site, path, log="done") == ended
    assert told(site, path, finished_at="2026-11-23T11:00:01.500+01:00") == ended
    for other in ({"log": "other"}, {"result": "other"}, {"status": "crashed"}, {"finished_at": "2026-11-23T10:00:02"}):
        answer = site.api.patch(path, json=END | other)
        assert (answer.status_code, isinstance(answer.json()["msg"], str)) == (400, True)
    assert common_world.researcher.get(path).json() == ended


def test_a_result_never_goes_back(site: Site, path: str):
    told(site, path, status="active")
    assert site.api.patch(path, json={"status": "initializing"}).status_code == 400
    assert site.api.patch(path, json={"status": "pending"}).status_code == 400


def test_a_node_may_tell_the_failure_first_and_the_log_later(site: Site, path: str):
    assert told(site, path, status="non-existing Docker image")["status"] == "non-existing Docker image"
    assert site.api.patch(path, json={"status": "active"}).status_code == 400
    assert [result["id"] for result in site.open_results()] != []
    ended = told(site, path, log="no such image", finished_at="2026-11-23T10:00:01")
    assert (ended["status"], ended["log"]) == ("non-existing Docker image", "no such image")


def test_of_two_answers_at_once_one_wins_and_the_other_is_told_so(site: Site, path: str):
    answers = [END | {"result": f"answer {number}", "status": "completed"} for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(site.api.patch, path, json=answer) for answer in answers]
        replies = [call.result() for call in calls]
    assert sorted(reply.status_code for reply in replies) == [200, 400, 400, 400, 400, 400]
    [won] = [reply.json() for reply in replies if reply.status_code == 200]
    assert site.api.get(path).json() == won


def test_only_the_node_of_that_organization_in_that_collaboration_may_answer(
    services: Services, common_world: World, site: Site, path: str
):
    body = {"name": f"other of {common_world.id}", "organization_ids": [site.id]}
    elsewhere = new_site(
        services, common_world.root, common_world.root.made("/collaboration", body)["id"], site.organization
    )
    for caller in (
        common_world.sites[1].api,
        elsewhere.api,
        common_world.researcher,
        common_world.root,
        services.anyone,
    ):
        assert caller.patch(path, json=END).status_code == 401
    assert site.api.patch("/result/999999999", json=END).status_code == 404


def test_a_task_with_the_result_is_nested_on_request(common_world: World, site: Site, path: str):
    for answer in (
        site.api.get(path, params={"include": "task"}).json(),
        site.open_results(include="task")[0],
    ):
        task = answer["task"]
        assert "results" not in task
        assert {"id", "name", "image", "run_id", "database", "parent", "initiator", "init_user"} <= task.keys()


def test_filters_find_results(world: World):
    site, other = world.sites
    task, later = world.ask(), world.ask(site)
    first, second = site.open_results(task_id=task["id"])[0]["id"], other.open_results(task_id=task["id"])[0]["id"]
    [third] = (result["id"] for result in later["results"])
    told(site, f"/result/{first}", started_at="2020-02-02T12:00:00")
    told(site, f"/result/{first}", finished_at="2020-02-03T12:00:00", result="r")
    assert site.api.post("/port", json={"port": 8888, "result_id": third, "label": "x"}).status_code == 201

    def found(**query: Any) -> list[int]:
        answer = world.researcher.get("/result", params=query)
        assert answer.status_code == 200, answer.text
        return ids(answer)

    assert found() == [third, *sorted((first, second), reverse=True)]
    assert set(found(task_id=task["id"])) == {first, second}
    assert found(organization_id=other.id) == found(node_id=other.node["id"]) == [second]
    assert set(found(state="open")) == {second, third}
    assert found(state="open", node_id=site.node["id"]) == [third]
    assert found(port=8888) == [third]
    assert found(port=8889) == []
    assert found(started_from="2020-02-02", started_till="2020-02-02") == [first]
    assert found(started_from="2020-02-03") == []
    assert found(finished_till="2020-02-02") == []
    assert found(finished_from="2020-02-03", finished_till="2020-02-03T12:00:00") == [first]
    assert set(found(assigned_from="2026-01-01")) == {first, second, third}
    assert found(assigned_till="2020-02-03") == []
    for wrong in ({"state": "closed"}, {"port": 0}, {"assigned_from": "x"}, {"task_id": 0}):
        assert world.researcher.get("/result", params=wrong).status_code == 400


def test_results_are_paged(world: World):
    for _ in range(2):
        world.ask()
    answer = world.researcher.get("/result", params={"page": 1, "per_page": 3, "include": ["metadata", "task"]})
    assert len(answer.json()["data"]) == 3
    assert answer.headers["total-count"] == "4"
    assert answer.json()["data"][0]["task"]["name"]


def test_results_are_for_members(services: Services, common_world: World, path: str):
    outsider = new_world(services, 1).researcher
    assert outsider.get("/result").json() == []
    assert (outsider.get(path).status_code, outsider.get("/result/999999999").status_code) == (401, 404)
    assert common_world.sites[1].api.get(path).status_code == 200
    assert services.anyone.get("/result").status_code == 401


def test_the_results_of_a_task_are_a_bare_list_with_plain_ids(services: Services, world: World):
    task = world.ask()
    answer = world.researcher.get(f"/task/{task['id']}/result")
    assert ids(answer) == sorted((result["id"] for result in task["results"]), reverse=True)
    assert {result["task"] for result in answer.json()} == {task["id"]}
    assert {result["organization"] for result in answer.json()} == {site.id for site in world.sites}
    assert answer.json()[0].keys() == RESULT_KEYS
    assert new_world(services, 1).researcher.get(f"/task/{task['id']}/result").status_code == 401
    assert world.researcher.get("/task/999999999/result").status_code == 404
    assert world.sites[0].api.get(f"/task/{task['id']}/result").status_code == 401
