"""The clients inside algorithm containers, of both generations, with a container's token.

Here they speak to the server directly; through a node's proxy they do so in the tests of the nodes.
"""

import base64
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from support import later
from support.collaborations import IMAGE, World
from support.gateway import Server
from support.shapes import ids

Run = Callable[..., Any]

CLIENT = """
    from vantage6.client import ContainerClient
    client = ContainerClient(token, host, port, "/api")
"""
NEWER_CLIENT = """
    from vantage6.client.algorithm_client import AlgorithmClient
    client = AlgorithmClient(token, host, port, "/api")
"""


@pytest.fixture
def server(server_on_postgres: Server) -> Server:
    """One database is enough here: what differs between the two is tried with the users' client."""
    return server_on_postgres


def token_of(world: World, task: dict[str, Any]) -> str:
    """What the first site's node hands to the container of the task."""
    token = world.sites[0].container(task).token
    assert token is not None
    return token


def finish(world: World, task_id: int, values: list[Any]) -> None:
    """Each site's node answers the task with a pickled value, as algorithms do."""
    for site, value in zip(world.sites, values, strict=True):
        [result] = site.open_results(task_id=task_id)
        content = base64.b64encode(pickle.dumps(value)).decode()
        body = {"result": content, "finished_at": "2026-11-24T10:00:00.000001"}
        assert site.api.patch(f"/result/{result['id']}", json=body).status_code == 200


def test_a_container_knows_from_its_token_where_it_is(run: Run, world: World) -> None:
    task = world.ask(world.sites[0], database="census")
    answer = run(
        CLIENT + "    answer = [client.image, client.database, client.host_node_id, client.collaboration_id]",
        token=token_of(world, task),
    )
    assert answer == [IMAGE, "census", world.sites[0].node["id"], world.id]


def test_a_container_asks_other_organizations_in_its_tasks_name(run: Run, world: World) -> None:
    parent = world.ask(world.sites[0], database="census")
    organizations = [site.id for site in world.sites]
    made = run(
        CLIENT + "    answer = client.create_new_task({'method': 'count'}, organizations)",
        token=token_of(world, parent),
        organizations=organizations,
    )
    assert made["parent"]["id"] == parent["id"]
    assert made["initiator"] == world.sites[0].id
    assert (made["run_id"], made["init_user"]) == (parent["run_id"], parent["init_user"])
    assert (made["image"], made["database"]) == (IMAGE, "census")
    assert len(made["results"]) == 2
    assert ids(world.researcher.get(f"/task/{parent['id']}").json()["children"]) == [made["id"]]


def test_a_container_waits_for_subtasks_and_reads_their_results(run: Run, world: World) -> None:
    parent = world.ask(world.sites[0])
    container = world.sites[0].container(parent)
    child = container.made("/task", world.question())
    before = run(CLIENT + "    answer = client.get_task(task)", token=container.token, task=child["id"])
    finish(world, child["id"], [{"count": 3}, {"count": 4}])
    after = run(
        CLIENT + "    answer = [client.get_task(task), client.get_results(task)]",
        token=container.token,
        task=child["id"],
    )
    assert before["complete"] is False
    assert after[0]["complete"] is True
    assert after[1] == [{"count": 4}, {"count": 3}]


def test_a_container_lists_the_organizations_around_it(run: Run, world: World) -> None:
    answer = run(
        CLIENT + "    answer = client.get_organizations_in_my_collaboration()",
        token=token_of(world, world.ask(world.sites[0])),
    )
    assert ids(answer) == [site.id for site in world.sites]


def test_a_container_finds_the_addresses_of_others(run: Run, world: World) -> None:
    task, [first, second] = world.ask(), world.sites
    assert second.api.patch(f"/node/{second.node['id']}", json={"ip": "10.76.0.2"}).status_code == 200
    [result] = second.open_results(task_id=task["id"])
    second.api.made("/port", {"port": 8888, "result_id": result["id"], "label": "api"})
    answer = run(
        CLIENT
        + """
    answer = [client.get_algorithm_addresses(task), client.get_algorithm_address_by_label(task, "api")]
        """,
        token=token_of(world, task),
        task=task["id"],
    )
    assert answer == [[{"ip": "10.76.0.2", "port": 8888, "label": "api"}], "10.76.0.2:8888"]
    assert first.open_results(task_id=task["id"])[0]["ports"] == []


def test_a_container_may_not_start_another_image(run: Run, world: World) -> None:
    answer = run(
        CLIENT
        + """
    for image in images:
        client.image = image
        try:
            client.create_new_task({}, organizations)
        except Exception as error:
            # It cannot get itself a new token, and ends.
            assert "cannot refresh" in str(error), error
    answer = [status for _, _, status in sent]
        """,
        token=token_of(world, world.ask(world.sites[0])),
        images=[f"evil.example/{IMAGE}", IMAGE.removeprefix("registry.example/")],
        organizations=[world.sites[1].id],
    )
    assert answer == [401, 401]


def test_a_container_is_shut_out_once_its_task_has_ended(run: Run, world: World) -> None:
    task = world.ask(world.sites[0])
    token = token_of(world, task)
    [result] = world.sites[0].open_results(task_id=task["id"])
    done = {"result": "", "finished_at": "2026-11-24T10:00:00.000001"}
    assert world.sites[0].api.patch(f"/result/{result['id']}", json=done).status_code == 200
    answer = run(
        CLIENT
        + """
    try:
        client.get_task(task)
    except Exception as error:
        answer = [str(error), sent]
        """,
        token=token,
        task=task["id"],
    )
    assert answer == ["Containers cannot refresh!", [["GET", f"/api/task/{task['id']}", 401]]]


def test_the_newer_client_does_all_of_it_by_its_new_names(run_newer: Run, world: World) -> None:
    parent = world.ask(world.sites[0])
    token = token_of(world, parent)
    answer = run_newer(
        NEWER_CLIENT
        + """
    made = client.task.create({"method": "count"}, organizations, name="counting")
    answer = {
        "organization_id": client.organization_id,
        "made": made,
        "task": client.task.get(made["id"]),
        "organizations": client.organization.list(),
        "organization": client.organization.get(organizations[1]),
        "collaboration": client.collaboration.get(),
        "node": client.node.get(),
        "empty": client.result.get(made["id"]),
    }
        """,
        token=token,
        organizations=[site.id for site in world.sites],
    )
    assert answer["organization_id"] == world.sites[0].id
    assert answer["made"]["parent"]["id"] == parent["id"]
    assert (answer["task"]["name"], answer["task"]["complete"]) == ("counting", False)
    assert ids(answer["organizations"]) == [site.id for site in world.sites]
    assert answer["organization"]["name"] == world.sites[1].organization["name"]
    assert (answer["collaboration"]["id"], answer["collaboration"]["encrypted"]) == (world.id, False)
    assert answer["node"]["id"] == world.sites[0].node["id"]
    assert answer["empty"] == []
    finish(world, answer["made"]["id"], ["one", "two"])
    results = run_newer(NEWER_CLIENT + "    answer = client.result.get(task)", token=token, task=answer["made"]["id"])
    assert results == ["two", "one"]


def test_every_call_of_the_newer_client_is_tried_or_owned_by_a_later_issue(run_newer: Run, world: World) -> None:
    answer = run_newer(
        NEWER_CLIENT
        + """
    from vantage6.client import ClientBase
    parts = {name: part for name, part in vars(client).items() if isinstance(part, ClientBase.SubClient)}
    answer = [n + "." + m for n, part in parts.items() for m in dir(part) if m[0] != "_" and m != "parent"]
        """,
        token=token_of(world, world.ask(world.sites[0])),
    )
    tried = {"task.create", "task.get", "result.get", "organization.list", "organization.get"}
    assert set(answer) == tried | {"collaboration.get", "node.get"} | later.ALGORITHMS.keys()
