"""Ports that algorithms open (contract, rest-api.md section 3.4)."""

from typing import Any

import pytest

from support.collaborations import World, new_world
from support.services import Services


@pytest.fixture
def result(common_world: World) -> int:
    return common_world.ask(common_world.sites[0])["results"][0]["id"]


def opened(world: World, result: int, port: int = 8888) -> dict[str, Any]:
    return world.sites[0].api.made("/port", {"port": port, "result_id": result, "label": "metrics"})


def test_a_port_is_shown_and_goes_with_the_end_of_the_container(common_world: World, result: int):
    port = opened(common_world, result)
    assert port == {"id": port["id"], "port": 8888, "label": "metrics", "result": result}
    assert common_world.researcher.get(f"/port/{port['id']}").json() == port
    assert common_world.researcher.get("/port", params={"result_id": result}).json() == [port]
    shown = common_world.researcher.get(f"/result/{result}").json()["ports"]
    assert shown == [{"id": port["id"], "port": 8888, "label": "metrics"}]
    node = common_world.sites[0].api
    for _ in range(2):
        assert node.delete("/port", params={"result_id": result}).status_code == 200
    assert common_world.researcher.get(f"/port/{port['id']}").status_code == 404
    assert common_world.researcher.get("/port", params={"result_id": result}).json() == []


def test_a_node_may_close_the_ports_of_a_result_that_is_gone(common_world: World):
    node = common_world.sites[0].api
    assert node.delete("/port", params={"result_id": 999999999}).status_code == 200
    assert node.delete("/port").status_code == 400


def test_ports_are_opened_and_closed_by_the_node_that_runs_the_result(common_world: World, result: int):
    body = {"port": 1, "result_id": result}
    for caller in (common_world.sites[1].api, common_world.researcher, common_world.root):
        assert caller.post("/port", json=body).status_code == 401
        assert caller.delete("/port", params={"result_id": result}).status_code == 401
    node = common_world.sites[0].api
    assert node.post("/port", json=body | {"port": 65536}).status_code == 400
    assert node.post("/port", json=body | {"result_id": 999999999}).status_code == 404


def test_ports_are_listed_newest_first_and_only_to_members(services: Services, common_world: World, result: int):
    first, second = opened(common_world, result, 1), opened(common_world, result, 2)
    task = common_world.researcher.get(f"/result/{result}").json()["task"]["id"]
    run = common_world.researcher.get(f"/task/{task}").json()["run_id"]
    for query in ({"task_id": task}, {"run_id": run}, {"result_id": result}):
        assert common_world.researcher.get("/port", params=query).json() == [second, first]
    assert common_world.sites[1].api.get("/port", params={"task_id": task}).json() == [second, first]
    outsider = new_world(services, 1).researcher
    assert outsider.get("/port").json() == []
    assert outsider.get(f"/port/{first['id']}").status_code == 401
