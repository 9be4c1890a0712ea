"""Sockets: who is let in, what they hear, what they may tell (contract, events.md)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.arrange import Arrangement
from support.collaborations import World, new_world
from support.services import Services
from support.sockets import Socket, opened
from support.tokens import signed

END = {"result": "r", "finished_at": "2026-11-23T10:00:00"}


async def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something that only the API tells."""
    for _ in range(150):
        if true():
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"it did not come true that {what}")


def status(world: World, site: int = 0) -> str | None:
    return world.root.get(f"/node/{world.sites[site].node['id']}").json()["status"]


def token_of(services: Services, **claims: Any) -> str:
    """A token of the services' own key."""
    key = (Path(services.environment["DATAQUALITY_SECRETS"]) / "jwt_secret_key").read_text()
    now = datetime.now(UTC)
    common = {"iat": now, "nbf": now, "exp": now + timedelta(hours=1), "jti": "x", "type": "access", "fresh": False}
    return signed({**common, "client_type": "node", "roles": [], **claims}, key)


@pytest.mark.parametrize("transports", [["polling", "websocket"], ["polling"], ["websocket"]])
async def test_a_posted_task_reaches_a_connected_node(world: World, services: Services, transports: list[str]):
    async with opened(services, world.sites[0].api.token, transports=transports) as socket:
        await socket.settle()
        task = world.ask()
        await socket.hears("new_task", task["id"])
        news = {"task_id": task["id"], "run_id": task["run_id"], "collaboration_id": world.id}
        await socket.hears("task_created", news | {"init_org_id": world.sites[0].id})


async def test_a_node_that_was_away_gets_what_it_has_not_begun_when_it_connects(world: World, services: Services):
    waiting, begun, done, foreign = world.ask(), world.ask(), world.ask(), world.ask(world.sites[1])
    site = world.sites[0]
    for task, answer in ((begun, {"started_at": "2026-11-23T10:00:00"}), (done, END)):
        [result] = site.open_results(task_id=task["id"])
        assert site.api.patch(f"/result/{result['id']}", json=answer).status_code == 200
    async with opened(services, world.sites[1].api.token) as other:
        later = world.ask()
        await other.hears("new_task", later["id"])  # the last event there is: none is under way any more
        async with opened(services, site.api.token) as socket:
            # In whatever order: the last event may still come through the room before what is offered anew.
            await socket.hears("new_task", waiting["id"])
            await socket.hears("new_task", later["id"])
            assert set(socket.arguments("new_task")) == {(waiting["id"],), (later["id"],)}
        await other.hears("new_task", foreign["id"])


async def test_a_node_is_online_while_it_holds_a_socket(world: World, services: Services):
    assert status(world) is None
    async with opened(services, world.sites[1].api.token) as witness:
        await witness.settle()
        async with opened(services, world.sites[0].api.token):
            node = world.sites[0].node
            news = {"id": node["id"], "name": node["name"], "org_id": world.sites[0].id}
            await witness.hears("node-online", news)
            assert status(world) == "online"
            assert world.root.get(f"/node/{node['id']}").json()["last_seen"] is not None
            joined = f"Node <{node['name']}> joined room <collaboration_{world.id}>"
            await witness.hears("message", joined)
        await witness.hears("node-offline", news)
        assert status(world) == "offline"
        await witness.hears("message", f"Node <{node['name']}> left room <collaboration_{world.id}>")


async def test_the_end_of_an_old_socket_does_not_make_a_reconnected_node_offline(world: World, services: Services):
    async with opened(services, world.sites[1].api.token) as witness:
        await witness.settle()
        old, new = Socket(), Socket()
        for socket in (old, new):
            await socket.open(services, world.sites[0].api.token)
            await socket.settle()
        await old.close()
        await witness.hears("message", f"Node <{world.sites[0].node['name']}> left room <collaboration_{world.id}>")
        await new.say("ping")
        assert status(world) == "online"
        assert witness.arguments("node-offline") == []
        await new.close()
        await witness.hears("node-offline")


async def test_nodes_hear_nothing_of_other_collaborations(world: World, services: Services):
    stranger = new_world(services, 1)
    async with opened(services, stranger.sites[0].api.token) as socket:
        await socket.hears("node-online")
        async with opened(services, world.sites[0].api.token) as own:
            world.ask()
            await own.hears("new_task")
            task = stranger.ask()
            await socket.hears("new_task", task["id"])
    assert [arguments for arguments in socket.arguments("new_task") if arguments != (task["id"],)] == []
    assert {news["id"] for (news,) in socket.arguments("node-online")} == {stranger.sites[0].node["id"]}
    assert all(world.sites[0].node["name"] not in arguments[0] for arguments in socket.arguments("message"))


@pytest.mark.parametrize("kind", ["expired", "malformed", "foreign", "refresh", "of nobody", "none"])
async def test_a_bad_token_is_told_in_both_shapes(common_world: World, services: Services, kind: str):
    node = common_world.sites[0]
    past = datetime.now(UTC) - timedelta(hours=1)
    token = {
        "expired": lambda: token_of(services, sub=node.node["id"], exp=past),
        "malformed": lambda: "not-a-token",
        "foreign": lambda: signed({"sub": node.node["id"]}, "another key, and long enough for its purpose"),
        "refresh": lambda: node.api.tokens["refresh_token"],
        "of nobody": lambda: token_of(services, sub=999999999),
        "none": lambda: None,
    }[kind]()
    async with opened(services, token) as socket:
        await socket.hears("expired_token", times=2)
        assert socket.arguments("expired_token") == [(), ("",)]
        assert [name for name, _ in socket.heard] == ["connect", "expired_token", "expired_token"]


async def test_a_stranger_hears_nothing_and_can_tell_nothing(world: World, services: Services):
    [result] = world.ask(world.sites[0])["results"]
    async with opened(services, None) as stranger, opened(services, world.sites[0].api.token) as witness:
        await stranger.hears("expired_token", times=2)
        await stranger.say("container_failed", {"result_id": result["id"]})
        await stranger.say("join_room", f"collaboration_{world.id}")
        task = world.ask()
        await witness.hears("new_task", task["id"])
        await asyncio.sleep(1)
        assert {name for name, _ in stranger.heard} == {"connect", "expired_token"}
    assert world.researcher.get(f"/result/{result['id']}").json()["status"] == "pending"


async def test_a_container_is_refused(world: World, services: Services):
    container = world.sites[0].container(world.ask())
    socket = Socket()
    await socket.open(services, container.token)
    await socket.hears("disconnect")
    assert {name for name, _ in socket.heard} == {"connect", "disconnect"}


async def test_users_hear_the_collaborations_that_their_rules_open(world: World, services: Services):
    stranger = new_world(services, 1)
    admin = world.user("Collaboration Admin", world.sites[0].id)
    async with (
        opened(services, world.root.token) as everywhere,
        opened(services, admin.token) as own,
        opened(services, world.researcher.token) as little,
    ):
        for socket in (everywhere, own, little):
            await socket.settle()
        task, other = world.ask(), stranger.ask()
        await everywhere.hears("new_task", task["id"])
        await everywhere.hears("new_task", other["id"])
        await own.hears("new_task", task["id"])
        assert set(own.arguments("new_task")) == {(task["id"],)}
        assert little.arguments("new_task") == []


async def test_what_a_node_tells_about_itself_is_kept_and_decides_who_may_ask(world: World, services: Services):
    site = world.sites[0]
    path = f"/node/{site.node['id']}"
    async with opened(services, site.api.token) as socket:
        told = {"encryption": False, "allowed_algorithms": ["a", "b"], "allowed_users": ["nobody", "none"]}
        await socket.say("node_info_update", told)
        await until(lambda: len(world.root.get(path).json()["config"]) == 5, "the config has five rows")
        config = [(row["key"], row["value"]) for row in world.root.get(path).json()["config"]]
        assert sorted(config) == [
            ("allowed_algorithms", "a"),
            ("allowed_algorithms", "b"),
            ("allowed_users", "nobody"),
            ("allowed_users", "none"),
            ("encryption", "0"),
        ]
        refused = world.researcher.post("/task", json=world.question())
        assert (refused.status_code, str(site.id) in refused.json()["msg"]) == (400, True)
        assert world.researcher.post("/task", json=world.question(world.sites[1])).status_code == 201

        for allowed in ({"allowed_users": ["nobody"], "allowed_orgs": [str(site.id)]}, {"allowed_orgs": [site.id]}):
            await socket.say("node_info_update", allowed)
            size = len(allowed)
            await until(lambda: len(world.root.get(path).json()["config"]) == size, "the config was replaced")  # noqa: B023
            assert world.researcher.post("/task", json=world.question()).status_code == 201
        for nonsense in (None, 7, ["x"], "x"):
            await socket.say("node_info_update", nonsense)
    assert world.root.get(path).json()["config"] == [
        {"key": "allowed_orgs", "value": str(site.id)},
    ]


async def test_an_older_nodes_failure_is_remembered_and_passed_on(world: World, services: Services):
    site = world.sites[0]
    task = world.ask(site)
    [result] = task["results"]
    async with opened(services, world.sites[1].api.token) as witness, opened(services, site.api.token) as socket:
        await witness.settle()
        payload = {"node_id": 1, "status_code": 137, "result_id": result["id"], "collaboration_id": 1}
        await socket.say("container_failed", payload)
        await witness.hears("container_failed", task["run_id"])
        await witness.hears("status_update", {"result_id": result["id"]})
        await witness.hears(
            "algorithm_status_change",
            {
                "status": "crashed", "result_id": result["id"], "task_id": task["id"], "run_id": task["run_id"],
                "collaboration_id": world.id, "node_id": site.node["id"], "organization_id": site.id,
                "parent_id": None,
            },
        )  # fmt: skip
    ended = site.api.patch(f"/result/{result['id']}", json=END)
    assert (ended.status_code, ended.json()["status"]) == (200, "crashed")


async def test_a_newer_nodes_report_is_passed_on_with_the_ids_of_its_session(world: World, services: Services):
    site = world.sites[0]
    task = world.ask(site)
    [result] = task["results"]
    lies = {"node_id": 1, "task_id": 1, "collaboration_id": 1, "organization_id": 1, "parent_id": 1}
    async with opened(services, world.sites[1].api.token) as witness, opened(services, site.api.token) as socket:
        await witness.settle()
        await socket.say("algorithm_status_change", lies | {"result_id": result["id"], "status": "start failed"})
        (news,), *_ = await witness.hears("algorithm_status_change")
        await witness.hears("container_failed", task["run_id"])
    assert news == {
        "status": "start failed", "result_id": result["id"], "task_id": task["id"], "run_id": task["run_id"],
        "collaboration_id": world.id, "node_id": site.node["id"], "organization_id": site.id, "parent_id": None,
    }  # fmt: skip
    assert world.researcher.get(f"/result/{result['id']}").json()["status"] == "pending"


async def test_reports_about_the_results_of_others_and_nonsense_are_ignored(world: World, services: Services):
    [result] = world.ask(world.sites[1])["results"]
    nonsense: list[Any] = [{"result_id": result["id"], "status": "crashed"}, {"result_id": 2**70}, {}, None, 7, []]
    async with opened(services, world.sites[0].api.token) as socket:
        for event in ("container_failed", "algorithm_status_change"):
            for told in nonsense:
                await socket.say(event, told)
        await socket.say("container_failed")
        await socket.say("no such event", {})
        task = world.ask()
        await socket.hears("new_task", task["id"])
        assert not socket.arguments("container_failed") + socket.arguments("algorithm_status_change")
    assert world.researcher.get(f"/result/{result['id']}").json()["status"] == "pending"


async def test_a_client_cannot_say_that_it_disconnects(world: World, services: Services):
    async with opened(services, world.sites[0].api.token) as socket:
        await socket.hears("node-online")
        await socket.say("disconnect", "x")
        await socket.say("connect", {"HTTP_AUTHORIZATION": f"Bearer {world.root.token}"})
        await socket.hears("new_task", world.ask()["id"])
        assert status(world) == "online"


async def test_a_ping_is_a_sign_of_life(world: World, services: Services):
    path = f"/node/{world.sites[0].node['id']}"
    async with opened(services, world.sites[0].api.token) as socket:
        await socket.hears("node-online")
        before = world.root.get(path).json()["last_seen"]
        await socket.say("ping")
        await until(lambda: world.root.get(path).json()["last_seen"] > before, "the node was seen again")


async def test_changes_of_a_result_are_told_and_repetitions_are_not(world: World, services: Services):
    site = world.sites[0]
    [result] = world.ask(site)["results"]
    path = f"/result/{result['id']}"
    async with opened(services, world.sites[1].api.token) as witness:
        await witness.settle()
        for answer in ({"started_at": "2026-11-23T10:00:00"}, END, END, {"log": None}):
            assert site.api.patch(path, json=answer).status_code == 200
        assert site.api.patch(path, json={"log": "late"}).status_code == 400
        await witness.hears("new_task", world.ask()["id"])  # events keep their order: all others are here
        assert all(told == ({"result_id": result["id"]},) for told in witness.arguments("status_update"))
    # What was put down to be told: a socket may hear the same twice, where Redis was slow to say that it had it.
    put_down = "SELECT id FROM outbox WHERE event = 'status_update' AND collaboration_id = :id"
    assert len(Arrangement(services).rows(put_down, id=world.id)) == 2


async def test_a_socket_does_not_outlive_its_node(services_on_sqlite: Services):
    world = new_world(services_on_sqlite)
    socket = Socket(reconnection=True)
    await socket.open(services_on_sqlite, world.sites[0].api.token)
    await socket.hears("node-online")
    assert world.root.delete(f"/node/{world.sites[0].node['id']}").status_code == 200
    await socket.hears("disconnect")
    await socket.hears("expired_token", times=2)
    world.ask(world.sites[1])
    assert socket.arguments("new_task") == []
    await socket.close()
