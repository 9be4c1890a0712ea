"""Tasks and results, method by method, through the user clients of both generations."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from support.collaborations import PASSWORD, World
from support.shapes import answered, each, ids, link, sorted_link

Run = Callable[..., Any]
Person = Callable[..., str]


def test_a_task_is_made_read_and_deleted(run: Run, world: World, person: Person) -> None:
    first, second = world.sites
    answer = run(
        """
        client = sign_in(name, password)
        made = client.task.create(
            collaboration, organizations, "average", "registry.example/average:1", "how old?", {"column": "age"}
        )
        formatted = client.task.create(
            collaboration, organizations[:1], "j", "i", "", {"column": "age"}, data_format="json", database="other"
        )
        answer = {
            "me": client.whoami.id_,
            "made": made,
            "read": client.task.get(made["id"]),
            "with_results": client.task.get(made["id"], include_results=True),
            "formatted": client.task.get(formatted["id"], include_results=True),
            "deleted": client.task.delete(made["id"]),
            "gone": client.task.get(made["id"]),
            "results": client.request("result", params={"task_id": made["id"]}),
            "sent": sent,
        }
        """,
        name=person(first.id, "Researcher"),
        password=PASSWORD,
        collaboration=world.id,
        organizations=[first.id, second.id],
    )
    made = answer["made"]
    assert made == {
        "id": made["id"],
        "name": "average",
        "description": "how old?",
        "image": "registry.example/average:1",
        "database": "default",
        "run_id": made["run_id"],
        "initiator": first.id,
        "init_user": answer["me"],
        "collaboration": made["collaboration"],
        **each(("parent", "children", "finished_at", "deadline"), None),
        "results": made["results"],
        "complete": False,
        "status": "pending",
        "created_at": made["created_at"],
    }
    assert sorted_link(made["collaboration"]) == link("collaboration", world.id, "GET", "PATCH", "DELETE")
    assert [sorted_link(one) for one in made["results"]] == [
        link("result", one, "GET", "PATCH") for one in ids(made["results"])
    ]
    assert datetime.fromisoformat(made["created_at"]).utcoffset() == timedelta(0)
    assert answer["read"] == made
    assert answer["with_results"] | {"results": None} == made | {"results": None}
    assert {one["organization"] for one in answer["with_results"]["results"]} == {first.id, second.id}
    assert all("task" not in one for one in answer["with_results"]["results"])
    [result] = answer["formatted"]["results"]
    assert base64.b64decode(result["input"]) == b'json.{"column": "age"}'
    assert answer["formatted"]["database"] == "other"
    assert answer["formatted"]["run_id"] != made["run_id"]
    assert (answer["deleted"], answer["gone"].keys() >= {"msg"}, answer["results"]) == (None, True, [])
    assert ["POST", "/api/task", 201] in answer["sent"]


def test_tasks_are_listed_with_filters_newest_first(run: Run, world: World, person: Person, version: str) -> None:
    asked = [world.ask(name="first", description="one", database="a"), world.ask(name="second", image="other:2")]
    one, two = [task["id"] for task in asked]
    by_user = {"initiating_user": asked[0]["init_user"], "status": "pending"} if version == "3.11.1" else {}
    answer = run(
        """
        client = sign_in(name, password)
        found = client.task.list
        answer = {
            "all": found(),
            "with_results": found(include_results=True),
            "bare": found(include_metadata=False),
            "page": found(page=2, per_page=1),
            "initiator": found(initiator=first["initiator"]),
            "other_initiator": found(initiator=second_organization),
            "collaboration": found(collaboration=first["collaboration"]["id"]),
            "image": found(image="other%"),
            "run": found(run=first["run_id"]),
            "name": found(name="fir%"),
            "description": found(description="one"),
            "database": found(database="a"),
            "result": found(result=first["results"][1]["id"]),
            "parent": found(parent=first["id"]),
            "by_user": found(**by_user),
        }
        if by_user:
            answer["done"] = found(status="completed")
            answer["by_others"] = found(initiating_user=client.whoami.id_)
        """,
        name=person(world.sites[0].id, "Viewer"),
        password=PASSWORD,
        first=asked[0],
        second_organization=world.sites[1].id,
        by_user=by_user,
    )
    assert [len(task["results"]) for task in answer["with_results"]["data"]] == [2, 2]
    assert all("input" in result for task in answer["with_results"]["data"] for result in task["results"])
    assert answer["bare"] == answer["all"]["data"] == [asked[1], asked[0]]
    everything = ("all", "with_results", "bare", "initiator", "collaboration", "by_user")
    nothing = ("other_initiator", "parent", *(("done", "by_others") if by_user else ()))
    assert {key: ids(value) for key, value in answer.items()} == {
        **each(everything, [two, one]),
        **each(nothing, []),
        **each(("page", "run", "name", "description", "database", "result"), [one]),
        "image": [two],
    }


def test_results_come_back_to_who_waits_for_them(run: Run, world: World, person: Person) -> None:
    task = world.ask()
    rows = [answered(site, task["id"], {"age": 40 + number}) for number, site in enumerate(world.sites)]
    answer = run(
        """
        client = sign_in(name, password)
        answer = {
            "one": client.result.get(row["id"]),
            "waited": client.wait_for_results(task, sleep=0.1),
            "from_task": client.result.from_task(task),
            "with_task": client.result.from_task(task, include_task=True),
            "one_with_task": client.result.get(row["id"], include_task=True),
            "task": client.task.get(task),
        }
        """,
        name=person(world.sites[0].id, "Researcher"),
        password=PASSWORD,
        task=task["id"],
        row=rows[0],
    )
    one = answer["one"]
    assert one.keys() == {
        *("id", "input", "result", "log", "status", "assigned_at", "started_at", "finished_at"),
        *("organization", "task", "node", "ports"),
    }
    assert one["result"] == {"age": 40}
    assert (one["log"], one["status"], one["ports"]) == ("done", "completed", [])
    assert one["started_at"] == rows[0]["started_at"]
    assert sorted_link(one["task"]) == link("task", task["id"], "GET", "DELETE")
    assert sorted_link(one["organization"]) == link("organization", world.sites[0].id, "GET", "PATCH")
    assert one["node"].keys() == {"id", "name", "ip", "status", "config"}
    assert one["node"]["id"] == world.sites[0].node["id"]
    newest_first = [{"age": 41}, {"age": 40}]
    assert [json.loads(result["result"].removeprefix("json.")) for result in answer["waited"]] == newest_first
    assert [result["result"] for result in answer["from_task"]] == newest_first
    assert {result["task"]["name"] for result in answer["with_task"]} == {task["name"]}
    assert "results" not in answer["one_with_task"]["task"]
    assert answer["one_with_task"]["task"]["image"] == task["image"]
    done = answer["task"]
    assert (done["complete"], done["status"]) == (True, "completed")
    assert done["finished_at"] == max(row["finished_at"] for row in rows)


def test_results_are_listed_with_filters_newest_first(run: Run, world: World, person: Person) -> None:
    first, second = world.sites
    task = world.ask()
    row = answered(first, task["id"], 1)
    assert second.api.post("/port", json={"port": 8888, "result_id": row["id"]}).status_code == 401
    [waiting] = second.open_results(task_id=task["id"])
    port = {"port": 8765, "result_id": waiting["id"], "label": "door"}
    assert second.api.post("/port", json=port).status_code == 201
    today = datetime.now(UTC).date()
    answer = run(
        """
        client = sign_in(name, password)
        def found(**filters):
            return client.result.list(task=task, **filters)
        now, past = (yesterday, tomorrow), ("2020-01-01", "2020-01-02")
        answer = {
            "all": found(),
            "bare": found(include_metadata=False),
            "with_task": found(include_task=True),
            "page": found(page=2, per_page=1),
            "organization": found(organization=organization),
            "node": found(node=node),
            "open": found(state="open"),
            "port": found(port=8765),
            "other_port": found(port=8766),
            "assigned": found(assigned=now),
            "started": found(started=now),
            "finished": found(finished=now),
            "assigned_before": found(assigned=past),
            "started_before": found(started=past),
            "finished_before": found(finished=past),
        }
        """,
        name=person(first.id, "Viewer"),
        password=PASSWORD,
        task=task["id"],
        organization=first.id,
        node=second.node["id"],
        yesterday=str(today - timedelta(days=1)),
        tomorrow=str(today + timedelta(days=1)),
    )
    one, two = row["id"], waiting["id"]
    both = sorted((one, two), reverse=True)
    assert isinstance(answer["bare"], list)
    assert [result["task"]["name"] for result in answer["with_task"]["data"]] == [task["name"]] * 2
    assert [result["ports"] for result in answer["port"]["data"]] == [
        [{"id": answer["port"]["data"][0]["ports"][0]["id"], "port": 8765, "label": "door"}]
    ]
    assert {key: ids(value) for key, value in answer.items()} == {
        **each(("all", "bare", "with_task", "assigned"), both),
        "page": both[1:],
        **each(("organization", "started", "finished"), [one]),
        **each(("node", "open", "port"), [two]),
        **each(("other_port", "assigned_before", "started_before", "finished_before"), []),
    }
