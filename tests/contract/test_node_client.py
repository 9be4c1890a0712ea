"""The real nodes of both generations, from start-up to results; only their Docker parts are replaced."""

import base64
import pickle
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.arrange import Arrangement
from support.clients import VERSIONS, python_of
from support.collaborations import PASSWORD, Site, World
from support.gateway import Server
from support.nodes import heard, running_node
from support.waiting import eventually

Run = Callable[..., Any]
Person = Callable[..., str]

ASK = """
    client = sign_in(name, password)
    task = client.task.create(collaboration, organizations, "t", "registry.example/average:1", "", asked)
    results = client.wait_for_results(task["id"], sleep=0.2)
    answer = {"task": client.task.get(task["id"]), "results": client.result.from_task(task["id"])}
"""


@pytest.fixture
def server(server_on_postgres: Server) -> Server:
    """One database is enough here: what differs between the two is tried with the users' client."""
    return server_on_postgres


def ran(asked: Any) -> Callable[[Any], bool]:
    """A condition for `Party.tells`: an algorithm began with this input."""
    return lambda told: told.get("ran") == asked


def status_of(world: World, site: Site) -> str:
    return world.root.get(f"/node/{site.node['id']}").json()["status"]


def result_of(world: World, task: Any) -> Any:
    [result] = world.root.get(f"/task/{task['id']}/result").json()
    return result


def pickled(value: Any) -> str:
    """Input as algorithms expect it where nobody names another format."""
    return base64.b64encode(pickle.dumps(value)).decode()


def ask(world: World, site: Site, method: str, rest: Any = None, **changes: Any) -> Any:
    """A task for one site, posted without a client."""
    asked = {"id": site.id, "input": pickled({"method": method, "rest": rest})}
    return world.ask(organizations=[asked], **changes)


def test_a_node_is_online_while_it_runs(version: str, server: Server, world: World, tmp_path: Path) -> None:
    site = world.sites[0]
    with running_node(version, site, server, tmp_path) as node:
        node.tells(lambda told: told == {"ready": site.node["name"]})
        eventually(lambda: status_of(world, site) == "online")
    eventually(lambda: status_of(world, site) == "offline")


def test_a_newer_node_tells_how_it_is_set_up(server: Server, world: World, tmp_path: Path) -> None:
    site, policies = world.sites[0], {"allowed_users": ["root"], "allowed_algorithms": ["a.*", "b.*"]}

    def told() -> list[tuple[str, str]]:
        config = world.root.get(f"/node/{site.node['id']}").json()["config"]
        return sorted((entry["key"], entry["value"]) for entry in config)

    with running_node("3.11.1", site, server, tmp_path, policies=policies):
        wanted = [("allowed_algorithms", "a.*"), ("allowed_algorithms", "b.*"), ("allowed_users", "root")]
        eventually(lambda: told() == [*wanted, ("encryption", "0")])


def test_a_node_whose_key_is_unknown_gives_up(run: Run) -> None:
    answer = run("""
        try:
            module = import_node("vantage6.node.node_client")
        except ImportError:
            module = import_node("vantage6.node.server_io")
        try:
            module.NodeClient(host, port, "/api").authenticate("a9b6b3a4-0000-4000-8000-000000000000")
        except Exception as error:
            answer = [type(error).__name__, sent]
    """)
    assert answer == ["AuthenticationException", [["POST", "/api/token/node", 401]]]


def test_a_node_refuses_to_run_where_it_should_encrypt_and_does_not(
    version: str, server: Server, world: World, tmp_path: Path
) -> None:
    world.root.patch(f"/collaboration/{world.id}", json={"encrypted": True})
    with (
        pytest.raises(AssertionError, match="Expectations on encryption don't match"),
        running_node(version, world.sites[0], server, tmp_path),
    ):
        pass


def test_a_task_reaches_the_node_and_its_result_comes_back(
    run: Run, version: str, server: Server, world: World, person: Person, tmp_path: Path
) -> None:
    site = world.sites[1]
    with running_node(version, site, server, tmp_path) as node:
        answer = run(
            ASK,
            name=person(world.sites[0].id, "Researcher"),
            password=PASSWORD,
            collaboration=world.id,
            organizations=[site.id],
            asked={"method": "count", "rest": 7},
        )
        node.tells(heard("new_task", answer["task"]["id"]))
        if version == "3.11.1":
            # It asks to remove the ports of every algorithm, those of one that had none too.
            node.tells(lambda told: told.get("ports removed") == [["DELETE", "/api/port", 200]])
    [result] = answer["results"]
    assert result["result"] == {"count": 7}
    assert (result["status"], result["log"]) == ("completed", "it went well")
    assert result["started_at"] is not None
    assert result["finished_at"] is not None
    assert (answer["task"]["complete"], answer["task"]["status"]) == (True, "completed")


def test_the_ports_of_an_algorithm_are_known_while_it_runs(
    version: str, server: Server, world: World, tmp_path: Path
) -> None:
    site = world.sites[0]
    with running_node(version, site, server, tmp_path):
        task = ask(world, site, "serve")
        eventually(lambda: [port["label"] for port in result_of(world, task)["ports"]] == ["api"])
        if version == "3.4.2":
            eventually(lambda: result_of(world, task)["node"]["ip"] == "10.76.0.3")


def test_an_image_that_a_newer_node_does_not_allow_is_refused_at_once(
    server: Server, world: World, tmp_path: Path
) -> None:
    site = world.sites[0]
    with running_node("3.11.1", site, server, tmp_path):
        task = ask(world, site, "count", image="forbidden/image:1")
        eventually(lambda: result_of(world, task)["finished_at"] is not None)
    assert result_of(world, task)["status"] == "not allowed"


def test_a_crash_is_told_to_all_in_the_collaboration(
    version: str, server: Server, world: World, tmp_path: Path
) -> None:
    first, second = world.sites
    with (
        running_node(version, first, server, tmp_path) as node,
        running_node(version, second, server, tmp_path) as other,
    ):
        task = ask(world, first, "nonsense")
        eventually(lambda: result_of(world, task)["status"] == "crashed")
        other.tells(heard("container_failed", task["run_id"]))
        [change] = other.tells(lambda told: is_change(told, "crashed"))["arguments"]
        eventually(lambda: result_of(world, task)["finished_at"] is not None)
        node.tells(ran({"method": "nonsense", "rest": None}))
    result = result_of(world, task)
    assert change == {
        "status": "crashed",
        "result_id": result["id"],
        "task_id": task["id"],
        "run_id": task["run_id"],
        "collaboration_id": world.id,
        "node_id": first.node["id"],
        "organization_id": first.id,
        "parent_id": None,
    }
    assert (result["status"], result["log"]) == ("crashed", "ValueError: the algorithm knows no nonsense")


def is_change(told: Any, status: str) -> bool:
    return told.get("event") == "algorithm_status_change" and told["arguments"][0]["status"] == status


def test_a_node_that_was_away_finds_what_was_asked_meanwhile(
    version: str, server: Server, world: World, tmp_path: Path
) -> None:
    site = world.sites[0]
    asked = [ask(world, site, "count", number) for number in range(3)]
    with running_node(version, site, server, tmp_path):
        eventually(lambda: all(result_of(world, task)["status"] == "completed" for task in asked))


def test_a_node_that_lost_its_connection_finds_what_was_asked_meanwhile(
    version: str, server: Server, world: World, tmp_path: Path
) -> None:
    site = world.sites[0]
    with running_node(version, site, server, tmp_path) as node:
        # The older node then asks for nothing but the last task it heard of, when it is back.
        first = ask(world, site, "count", 1)
        eventually(lambda: result_of(world, first)["status"] == "completed")
        server.close()
        second = ask(world, site, "count", 2)
        server.open()
        node.tells(ran({"method": "count", "rest": 2}))
        eventually(lambda: result_of(world, second)["status"] == "completed")
        # What waits for it comes over HTTP as well, before its new socket counts.
        eventually(lambda: status_of(world, site) == "online")


def test_a_node_whose_token_has_expired_gets_a_new_one_and_all_its_tasks(
    version: str, server: Server, world: World, there: Arrangement, tmp_path: Path
) -> None:
    site = world.sites[0]
    expired = there.token(site.node["id"], "node", exp=datetime.now(UTC) - timedelta(hours=1))
    task = ask(world, site, "count", 1)
    with running_node(version, site, server, tmp_path, stale_token=expired) as node:
        node.tells(heard("expired_token"))
        eventually(lambda: result_of(world, task)["status"] == "completed")
        eventually(lambda: status_of(world, site) == "online")


def test_a_node_whose_token_expires_while_it_is_connected_gets_a_new_one_when_it_must_come_back(
    version: str, server: Server, world: World, there: Arrangement, tmp_path: Path
) -> None:
    site, expires = world.sites[0], datetime.now(UTC) + timedelta(seconds=12)
    with running_node(
        version, site, server, tmp_path, stale_token=there.token(site.node["id"], "node", exp=expires)
    ) as node:
        first = ask(world, site, "count", 1)
        eventually(lambda: result_of(world, first)["status"] == "completed")
        assert not [told for told in node.told if told.get("event") == "expired_token"]
        # The server's services may disagree on the time by some seconds.
        eventually(lambda: datetime.now(UTC) > expires + timedelta(seconds=6))
        # It goes on with the socket that it has, and comes back with the token that it had then.
        second = ask(world, site, "count", 2)
        eventually(lambda: result_of(world, second)["status"] == "completed")
        server.close()
        third = ask(world, site, "count", 3)
        server.open()
        node.tells(heard("expired_token"))
        eventually(lambda: result_of(world, third)["status"] == "completed")
        eventually(lambda: status_of(world, site) == "online")


def test_nodes_come_back_by_the_instance_that_is_left(server: Server, world: World, tmp_path: Path) -> None:
    first, second = world.sites
    # People come through the gateway, as the nodes do; root in a copy, for all tests share it.
    gateway = dict.fromkeys(server.services.addresses, server.url)
    world.researcher.addresses, world.root = gateway, replace(world.root, addresses=gateway)
    for version in VERSIONS:
        python_of(version)
    with (
        running_node("3.4.2", first, server, tmp_path) as older,
        running_node("3.11.1", second, server, tmp_path) as newer,
    ):
        for dead in ("dispatch", "dispatch-2"):
            # Whichever a node was connected to: by the second time it had to leave one of them.
            with ended(server, dead):
                # The gateway sees within a second or so who is left; until then it asks people to try again.
                eventually(lambda: world.root.get("/task").status_code == 200)
                tasks = [ask(world, site, "count", dead) for site in (first, second)]
                eventually(lambda: all(is_completed(world, task) for task in tasks))  # noqa: B023
        older.tells(heard("disconnect"))
        newer.tells(heard("disconnect"))


def is_completed(world: World, task: Any) -> bool:
    """False also while the gateway asks people to try again."""
    answer = world.root.get(f"/task/{task['id']}/result")
    return answer.is_success and [result["status"] for result in answer.json()] == ["completed"]


@contextmanager
def ended(server: Server, part: str) -> Generator[None]:
    """The part is killed for the block."""
    server.services.kill(part)
    try:
        yield
    finally:
        server.services.start(part)
        server.services.wait_ready(part)


def test_a_task_is_killed_on_a_newer_node(
    run_newer: Run, server: Server, world: World, person: Person, tmp_path: Path
) -> None:
    site = world.sites[0]
    with running_node("3.11.1", site, server, tmp_path) as node:
        task, other = ask(world, site, "wait", "one"), ask(world, site, "wait", "two")
        node.tells(ran({"method": "wait", "rest": "one"}))
        node.tells(ran({"method": "wait", "rest": "two"}))
        run_newer(
            "sign_in(name, password).task.kill(task)",
            name=person(site.id, "Collaboration Admin"),
            password=PASSWORD,
            task=task["id"],
        )
        killed = result_of(world, task)
        node.tells(lambda told: told.get("killed") == [killed["id"]])
        assert (killed["status"], killed["finished_at"] is not None) == ("killed by user", True)
        assert result_of(world, other)["status"] == "active"


def test_all_tasks_of_a_newer_node_are_killed(
    run_newer: Run, server: Server, world: World, person: Person, tmp_path: Path
) -> None:
    first, second = world.sites
    with (
        running_node("3.11.1", first, server, tmp_path) as node,
        running_node("3.11.1", second, server, tmp_path) as other,
    ):
        tasks = [ask(world, first, "wait", number) for number in range(2)]
        untouched = ask(world, second, "wait", 9)
        for number in range(2):
            node.tells(ran({"method": "wait", "rest": number}))
        other.tells(ran({"method": "wait", "rest": 9}))
        run_newer(
            "answer = sign_in(name, password).node.kill_tasks(node)",
            name=person(first.id, "Organization Admin"),
            password=PASSWORD,
            node=first.node["id"],
        )
        killed = {result_of(world, task)["id"] for task in tasks}
        node.tells(lambda told: set(told.get("killed", [])) == killed)
        other.tells(heard("kill_containers"))
        assert {result_of(world, task)["status"] for task in tasks} == {"killed by user"}
        eventually(lambda: result_of(world, untouched)["status"] == "active")
        assert not [told for told in other.told if told.get("killed")]


def test_a_newer_node_asks_who_sent_a_task(run_newer: Run, world: World) -> None:
    first, second = world.sites
    answer = run_newer(
        """
        client = import_node("vantage6.node.node_client").NodeClient(host, port, "/api")
        client.authenticate(api_key)
        allowed = client.check_user_allowed_to_send_task
        answer = [
            allowed([], [name], organization, 1),
            allowed([], [name], own, 1),
            allowed([], [str(organization)], organization, 1),
            client.is_encrypted_collaboration(),
        ]
        """,
        api_key=first.node["api_key"],
        name=second.organization["name"],
        organization=second.id,
        own=first.id,
    )
    assert answer == [True, False, True, False]


@pytest.mark.parametrize(("method", "gathered"), [("sum", {"sum": 10}), ("gather", {"characters": 1_600_000})])
def test_an_algorithm_asks_others_through_the_proxy_of_its_node(
    run: Run, version: str, server: Server, world: World, person: Person, tmp_path: Path, method: str, gathered: Any
) -> None:
    """Also for answers that the server sends in parts, for want of room."""
    first, second = world.sites
    with running_node(version, first, server, tmp_path), running_node(version, second, server, tmp_path):
        answer = run(
            ASK,
            name=person(first.id, "Researcher"),
            password=PASSWORD,
            collaboration=world.id,
            organizations=[first.id],
            asked={"method": method, "rest": [first.id, second.id]},
        )
    [result] = answer["results"]
    assert result["result"] == gathered
    assert len(answer["task"]["children"]) == 1
