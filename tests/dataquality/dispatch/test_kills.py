"""Ending what runs: kill routes, deletes, and the end of a collaboration (contract, rest-api.md section 3.3)."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select, update

from dataquality.model import KillWish
from support.collaborations import World, new_world
from support.databases import sync_engine
from support.services import Services
from support.sockets import opened
from support.tokens import signed
from support.waiting import eventually

END = {"result": "r", "finished_at": "2026-11-23T10:00:00"}


def victim(result: dict[str, Any], task: dict[str, Any], organization_id: int) -> dict[str, int]:
    return {"task_id": task["id"], "result_id": result["id"], "organization_id": organization_id}


async def test_a_killed_task_ends_with_all_below_it_and_its_nodes_are_told(services: Services, world: World):
    first, second = world.sites
    task = world.ask()
    below = first.container(task).made("/task", world.question(second))
    done = second.open_results(task_id=task["id"])[0]
    assert second.api.patch(f"/result/{done['id']}", json=END).status_code == 200
    [running] = first.open_results(task_id=task["id"])
    [under] = second.open_results(task_id=below["id"])

    async with opened(services, first.api.token) as socket:
        await socket.hears("node-online")
        answer = world.user("Organization Admin", first.id).post("/kill/task", json={"id": task["id"]})
        assert (answer.status_code, isinstance(answer.json()["msg"], str)) == (200, True)
        assert nodes_of(answer) == ([first.node["id"]], [second.node["id"]], [])
        (message,), *_ = await socket.hears("kill_containers")
    assert message["collaboration_id"] == world.id
    assert message["kill_list"] == [victim(running, task, first.id), victim(under, below, second.id)]
    for result in (running, under):
        now = world.researcher.get(f"/result/{result['id']}").json()
        assert (now["status"], now["finished_at"] is not None) == ("killed by user", True)
    assert world.researcher.get(f"/result/{done['id']}").json()["status"] == "completed"
    # What the node of version 3.11 does then, and what one does that had its answer ready.
    assert first.api.patch(f"/result/{running['id']}", json={"status": "killed by user"}).status_code == 200
    assert first.api.patch(f"/result/{running['id']}", json=END).status_code == 400


def nodes_of(answer: httpx.Response) -> tuple[list[int], list[int], list[int]]:
    """The nodes that were told, are away, and cannot kill."""
    told = answer.json()
    return told["nodes_told"], told["nodes_away"], told["nodes_that_cannot_kill"]


def test_who_may_kill_a_task(services: Services, world: World):
    task = world.ask()
    body = {"id": task["id"]}
    assert world.researcher.post("/kill/task", json=body).status_code == 401
    outsider = new_world(services, 1)
    assert outsider.user("Organization Admin", outsider.sites[0].id).post("/kill/task", json=body).status_code == 401
    assert world.sites[0].api.post("/kill/task", json=body).status_code == 401
    assert world.root.post("/kill/task", json={}).status_code == 400
    assert world.root.post("/kill/task", json={"id": 999999999}).status_code == 404
    assert world.root.post("/kill/task", json=body).status_code == 200
    assert world.root.post("/kill/task", json=body).status_code == 400


async def test_all_tasks_of_a_node_are_killed(services: Services, world: World):
    first, second = world.sites
    task = world.ask()
    body = {"id": first.node["id"]}
    async with opened(services, first.api.token) as socket:
        await socket.hears("node-online")
        assert world.researcher.post("/kill/node/tasks", json=body).status_code == 401
        admin_elsewhere = world.user("Organization Admin", second.id)
        assert admin_elsewhere.post("/kill/node/tasks", json=body).status_code == 401
        assert world.root.post("/kill/node/tasks", json={"id": 999999999}).status_code == 404
        answer = world.user("Organization Admin", first.id).post("/kill/node/tasks", json=body)
        assert (answer.status_code, nodes_of(answer)) == (200, ([first.node["id"]], [], []))
        await socket.hears("kill_containers", {"collaboration_id": world.id, "node_id": first.node["id"]})
    assert first.open_results() == []
    assert len(second.open_results(task_id=task["id"])) == 1


async def test_a_task_that_is_deleted_while_it_runs_is_killed_first(services: Services, world: World):
    task = world.ask(world.sites[1])
    [result] = world.sites[1].open_results(task_id=task["id"])
    async with opened(services, world.sites[1].api.token) as socket:
        await socket.settle()
        assert world.researcher.delete(f"/task/{task['id']}").status_code == 200
        (message,), *_ = await socket.hears("kill_containers")
    assert message == {"collaboration_id": world.id, "kill_list": [victim(result, task, world.sites[1].id)]}


async def test_no_empty_list_of_what_to_kill_ever_goes_out(services: Services, world: World):
    site = world.sites[0]
    task = world.ask(site)
    [result] = site.open_results(task_id=task["id"])
    assert site.api.patch(f"/result/{result['id']}", json=END).status_code == 200
    async with opened(services, site.api.token) as socket:
        await socket.hears("node-online")
        assert world.root.post("/kill/task", json={"id": task["id"]}).status_code == 400
        assert world.researcher.delete(f"/task/{task['id']}").status_code == 200
        assert end(services, world.id, service_token(services)).json() == {"ended": 0}
        # Events keep their order: whatever was told before is here when this is.
        await socket.hears("new_task", world.ask(site)["id"])
        assert socket.arguments("kill_containers") == []


async def test_a_collaboration_is_ended_by_another_service(services: Services, world: World):
    world.ask()
    async with opened(services, world.sites[0].api.token) as socket:
        await socket.settle()
        assert end(services, world.id, service_token(services)).json() == {"ended": 2}
        (message,), *_ = await socket.hears("kill_containers")
    assert len(message["kill_list"]) == 2
    assert world.sites[0].open_results() == world.sites[1].open_results() == []
    # Nothing is open any more: no event goes out, for nodes take an empty list for "everything".
    assert end(services, world.id, service_token(services)).json() == {"ended": 0}
    assert end(services, 999999999, service_token(services)).json() == {"ended": 0}


def test_only_other_services_may_end_a_collaboration(services: Services, world: World):
    world.ask()
    assert end(services, world.id, world.root.token).status_code in (401, 422)
    assert end(services, world.id, None).status_code == 401
    assert len(world.sites[0].open_results()) == 1


def end(services: Services, collaboration_id: int, token: str | None) -> httpx.Response:
    url = f"{services.addresses['dispatch']}/internal/collaborations/{collaboration_id}/end"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.post(url, headers=headers, timeout=30, trust_env=False)


async def test_a_node_that_was_away_is_told_what_to_kill_until_it_did(services: Services, world: World):
    site = world.sites[0]
    task = world.ask(site)
    [result] = task["results"]
    assert site.api.patch(f"/result/{result['id']}", json={"started_at": "2026-11-23T10:00:00"}).status_code == 200
    wanted = {"collaboration_id": world.id, "kill_list": [victim(result, task, site.id)]}
    async with opened(services, world.sites[1].api.token) as witness:
        await witness.settle()
        answer = world.root.post("/kill/node/tasks", json={"id": site.node["id"]})
        assert (answer.status_code, nodes_of(answer)) == (200, ([], [site.node["id"]], []))
        # What is told to all is under way no more: from here on the node hears only what is kept for it.
        await witness.hears("kill_containers", wanted)
    for _ in range(2):
        async with opened(services, site.api.token) as socket:
            await socket.hears("kill_containers", wanted)
    # A node that had its answer ready is refused, and yet heard: nothing runs there any more.
    assert site.api.patch(f"/result/{result['id']}", json=END).status_code == 400
    async with opened(services, site.api.token) as socket:
        await socket.hears("new_task", world.ask(site)["id"])
        assert socket.arguments("kill_containers") == []


async def test_a_node_that_is_there_is_told_again_by_the_clock_until_it_says_so(services: Services, world: World):
    site = world.sites[0]
    task = world.ask(site)
    [result] = task["results"]
    wanted = {"collaboration_id": world.id, "kill_list": [victim(result, task, site.id)]}
    async with opened(services, site.api.token) as socket:
        await socket.settle()
        assert world.root.post("/kill/task", json={"id": task["id"]}).status_code == 200
        await socket.hears("kill_containers", wanted)
        make_due(services, result["id"])
        await socket.hears("kill_containers", wanted, times=2)
        await asyncio.to_thread(eventually, lambda: wishes(services, result["id"]) == [1])
        await socket.say("algorithm_status_change", {"result_id": result["id"], "status": "killed by user"})
        await socket.hears("algorithm_status_change")
        assert wishes(services, result["id"]) == []


async def test_the_answer_names_nodes_that_are_too_old_to_kill(services: Services, world: World):
    site = world.sites[0]
    task, other = world.ask(site), world.ask(site)
    [result], [failing] = task["results"], other["results"]
    async with opened(services, site.api.token) as socket:
        await socket.say("container_failed", {"result_id": failing["id"], "status_code": 1})
        await socket.hears("status_update")
        answer = world.root.post("/kill/task", json={"id": task["id"]})
        assert nodes_of(answer) == ([], [], [site.node["id"]])
        assert "too old" in answer.json()["msg"].lower()
        # It became newer: what it does shows that.
        await socket.say("node_info_update", {"encryption": False})
        await socket.hears("kill_containers")
    make_due(services, result["id"])
    async with opened(services, site.api.token) as socket:
        await socket.say("ping")
        await socket.hears("kill_containers", times=2)
    eventually(lambda: world.root.get(f"/node/{site.node['id']}").json()["status"] == "offline")
    assert nodes_of(world.root.post("/kill/task", json={"id": other["id"]})) == ([], [site.node["id"]], [])


def make_due(services: Services, result_id: int) -> None:
    """The time has come to tell the node again."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    with sync_engine(services.database_url).begin() as connection:
        connection.execute(update(KillWish).where(KillWish.result_id == result_id).values(next_at=past))


def wishes(services: Services, result_id: int) -> list[int]:
    """How often each wish to kill this result was repeated by the clock."""
    with sync_engine(services.database_url).connect() as connection:
        return list(connection.scalars(select(KillWish.told).where(KillWish.result_id == result_id)))


def service_token(services: Services) -> str:
    key = (Path(services.environment["DATAQUALITY_SECRETS"]) / "service_key").read_text()
    now = datetime.now(UTC)
    claims = {"sub": "entity", "purpose": "service", "iat": now, "exp": now + timedelta(minutes=1), "jti": "x"}
    return signed(claims, key)
