"""Collaborations: rest-api.md 2.2, permissions.md 5."""

from typing import Any

import pytest

from support.arrange import Arrangement
from support.services import Api, Services, unique
from support.world import World, ids, link, make_collaboration

VIEW_GLOBAL = ("collaboration", "VIEW", "GLOBAL")
VIEW_ORGANIZATION = ("collaboration", "VIEW", "ORGANIZATION")
EDIT = ("collaboration", "EDIT", "GLOBAL")
CREATE = ("collaboration", "CREATE", "GLOBAL")
DELETE = ("collaboration", "DELETE", "GLOBAL")
# The status with each rule alone, none, and all: what the matrix of permissions.md says.
RULES = {"VIEW": VIEW_GLOBAL, "EDIT": EDIT, "CREATE": CREATE, "DELETE": DELETE}


def test_a_new_collaboration_has_the_contract_s_shape(root: Api, world: World) -> None:
    name = unique("collaboration")
    body = {"name": name, "organization_ids": [world.own, world.partner, world.own, 999999], "encrypted": True}
    response = root.post("/collaboration", json=body)
    assert response.status_code == 200
    made = response.json()
    assert made == {
        "id": made["id"],
        "name": name,
        "encrypted": True,
        "organizations": [link("organization", world.own), link("organization", world.partner)],
        "nodes": None,
        "tasks": None,
    }
    assert root.get(f"/collaboration/{made['id']}").json() == made


@pytest.mark.parametrize(("given", "encrypted"), [(1, True), (True, True), (0, False), (False, False), (None, False)])
def test_encrypted_is_false_unless_asked_for(root: Api, given: Any, encrypted: bool) -> None:
    assert make_collaboration(root, encrypted=given)["encrypted"] is encrypted


def test_encrypted_may_be_left_out(root: Api) -> None:
    assert make_collaboration(root)["encrypted"] is False


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None), ("name", ""), ("name", 7), ("organization_ids", None), ("organization_ids", 7),
        ("organization_ids", ["x"]), ("organization_ids", [2**40]), ("encrypted", "perhaps"), ("encrypted", 2),
    ],
)  # fmt: skip
def test_an_ill_typed_field_is_a_bad_request_that_names_it(root: Api, field: str, value: Any) -> None:
    body: dict[str, Any] = {"name": unique("x"), "organization_ids": [], "encrypted": False}
    response = root.post("/collaboration", json=body | {field: value})
    assert response.status_code == 400
    assert any(key.startswith(field) for key in response.json()["message"])


@pytest.mark.parametrize("field", ["name", "organization_ids"])
def test_a_missing_field_is_a_bad_request_that_names_it(root: Api, field: str) -> None:
    body: dict[str, Any] = {"name": unique("x"), "organization_ids": []}
    del body[field]
    response = root.post("/collaboration", json=body)
    assert (response.status_code, set(response.json()["message"])) == (400, {field})


def test_a_name_that_is_taken_is_a_bad_request_whoever_asks(root: Api, world: World, there: Arrangement) -> None:
    name = make_collaboration(root)["name"]
    for caller in (root, there.caller(world.own)):
        response = caller.post("/collaboration", json={"name": name, "organization_ids": []})
        assert response.status_code == 400


def visible(caller: Api, **params: Any) -> set[int]:
    return ids(caller.get("/collaboration", params=params).json())


def test_with_global_scope_one_sees_all(world: World, there: Arrangement) -> None:
    caller = there.caller(world.own, [VIEW_GLOBAL])
    assert {world.collaboration, world.foreign_collaboration} <= visible(caller)
    assert visible(caller, organization_id=world.stranger) == {world.foreign_collaboration}
    assert caller.get(f"/collaboration/{world.foreign_collaboration}").status_code == 200


def test_with_organization_scope_one_sees_those_that_one_is_in(world: World, there: Arrangement) -> None:
    caller = there.caller(world.own, [VIEW_ORGANIZATION])
    assert visible(caller) == {world.collaboration}
    assert visible(caller, organization_id=world.own) == {world.collaboration}
    assert caller.get("/collaboration", params={"organization_id": world.partner}).status_code == 401
    assert caller.get(f"/collaboration/{world.collaboration}").status_code == 200
    assert caller.get(f"/collaboration/{world.foreign_collaboration}").status_code == 401


def test_without_a_rule_one_sees_none(world: World, there: Arrangement) -> None:
    caller = there.caller(world.own)
    for path in ("", f"/{world.collaboration}", f"/{world.collaboration}/organization", f"/{world.collaboration}/node"):
        assert caller.get(f"/collaboration{path}").status_code == 401


def test_the_list_is_for_users_only(node: Api, container: Api) -> None:
    assert node.get("/collaboration").status_code == 401
    assert container.get("/collaboration").status_code == 401


def test_nodes_and_containers_see_their_own_and_its_members(world: World, node: Api, container: Api) -> None:
    for caller in (node, container):
        assert caller.get(f"/collaboration/{world.collaboration}").json()["encrypted"] is False
        members = caller.get(f"/collaboration/{world.collaboration}/organization").json()
        assert ids(members) == {world.own, world.partner}
        assert caller.get(f"/collaboration/{world.foreign_collaboration}").status_code == 401
        assert caller.get(f"/collaboration/{world.foreign_collaboration}/organization").status_code == 401
        assert caller.get(f"/collaboration/{world.collaboration}/node").status_code == 401


def test_filters_by_name_and_encryption(root: Api) -> None:
    word = unique("filter")
    plain = root.made("/collaboration", {"name": f"{word} a", "organization_ids": []})["id"]
    encrypted = root.made("/collaboration", {"name": f"{word} b", "organization_ids": [], "encrypted": True})["id"]
    assert visible(root, name=f"{word}%") == {plain, encrypted}
    for yes in ("True", "true", "1"):
        assert visible(root, name=f"{word}%", encrypted=yes) == {encrypted}
    for no in ("False", "0"):
        assert visible(root, name=f"{word}%", encrypted=no) == {plain}
    assert root.get("/collaboration?encrypted=perhaps").status_code == 400


def test_tasks_are_the_newest_hundred(root: Api, world: World, there: Arrangement) -> None:
    tasks = [there.task(world.collaboration) for _ in range(103)]
    shown = root.get(f"/collaboration/{world.collaboration}").json()["tasks"]
    assert shown == [link("task", task) for task in sorted(tasks, reverse=True)[:100]]


def test_what_is_null_or_absent_stays(root: Api, world: World) -> None:
    before = root.get(f"/collaboration/{world.collaboration}").json()
    body = {"name": None, "organization_ids": None, "encrypted": True}
    assert root.patch(f"/collaboration/{world.collaboration}", json=body).json() == before | {"encrypted": True}


def test_members_are_replaced_and_unknown_ones_skipped(root: Api, world: World) -> None:
    body = {"organization_ids": [world.partner, world.stranger, 999999]}
    shown = root.patch(f"/collaboration/{world.collaboration}", json=body).json()
    assert shown["organizations"] == [link("organization", world.partner), link("organization", world.stranger)]


def test_a_collaboration_keeps_its_own_name_and_takes_no_other_s(root: Api, world: World) -> None:
    mine, other = make_collaboration(root), make_collaboration(root)
    assert root.patch(f"/collaboration/{mine['id']}", json={"name": mine["name"]}).status_code == 200
    assert root.patch(f"/collaboration/{mine['id']}", json={"name": other["name"]}).status_code == 400
    assert root.patch(f"/collaboration/{mine['id']}", json={"name": ""}).status_code == 400


def calls(world: World) -> dict[str, tuple[str, str, Any]]:
    one = f"/collaboration/{world.collaboration}"
    new: dict[str, Any] = {"name": unique("new"), "organization_ids": []}
    return {
        "create": ("POST", "/collaboration", new),
        "change": ("PATCH", one, {"encrypted": True}),
        "add organization": ("POST", f"{one}/organization", {"id": world.stranger}),
        "remove organization": ("DELETE", f"{one}/organization", {"id": world.partner}),
        "remove node": ("DELETE", f"{one}/node", {"id": world.node}),
        "delete": ("DELETE", one, None),
    }


NEEDED = {
    "create": "CREATE",
    "change": "EDIT",
    "add organization": "EDIT",
    "remove organization": "DELETE",
    "remove node": "EDIT",
    "delete": "DELETE",
}


@pytest.mark.parametrize("call", NEEDED)
def test_each_change_needs_its_own_rule_and_no_other_will_do(world: World, there: Arrangement, call: str) -> None:
    method, path, body = calls(world)[call]
    needed = NEEDED[call]
    others = [rule for name, rule in RULES.items() if name != needed]
    assert there.caller(world.own, others).request(method, path, json=body).status_code == 401
    assert there.caller(world.own, [RULES[needed]]).request(method, path, json=body).status_code == 200


@pytest.mark.parametrize("call", NEEDED)
def test_no_change_is_for_nodes_or_containers(world: World, node: Api, container: Api, call: str) -> None:
    method, path, body = calls(world)[call]
    assert node.request(method, path, json=body).status_code == 401
    assert container.request(method, path, json=body).status_code == 401


@pytest.mark.parametrize("call", [call for call in NEEDED if call != "create"])
def test_an_unknown_id_is_not_found_before_the_permission_is_asked(world: World, there: Arrangement, call: str) -> None:
    method, path, body = calls(world)[call]
    unknown = path.replace(f"/{world.collaboration}", "/999999")
    assert there.caller(world.own).request(method, unknown, json=body).status_code == 404
    assert there.caller(world.own).get("/collaboration/999999/organization").status_code == 404


def test_an_organization_joins_and_leaves(root: Api, world: World) -> None:
    path = f"/collaboration/{world.collaboration}/organization"
    for response in [root.post(path, json={"id": world.stranger}) for _ in range(2)]:
        assert response.status_code == 200
        assert [item["id"] for item in response.json()] == [world.own, world.partner, world.stranger]
        assert response.json()[2] == root.get(f"/organization/{world.stranger}").json()
    for _ in range(2):
        response = root.request("DELETE", path, json={"id": world.partner})
        assert (response.status_code, ids(response.json())) == (200, {world.own, world.stranger})


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("noun", ["organization", "node"])
def test_what_joins_or_leaves_must_exist_and_be_named(root: Api, world: World, method: str, noun: str) -> None:
    path = f"/collaboration/{world.collaboration}/{noun}"
    assert root.request(method, path, json={"id": 999999}).status_code == 404
    for body in ({}, {"id": None}, {"id": "x"}, None):
        assert root.request(method, path, json=body).status_code == 400


def test_nodes_are_listed_without_type_and_collaboration(root: Api, world: World, there: Arrangement) -> None:
    path = f"/collaboration/{world.collaboration}/node"
    shown = root.get(f"/node/{world.node}").json()
    del shown["type"], shown["collaboration"]
    for caller in (root, there.caller(world.partner, [VIEW_ORGANIZATION])):
        assert caller.get(path).json() == [shown]
    assert there.caller(world.stranger, [VIEW_ORGANIZATION]).get(path).status_code == 401


def test_a_node_moves_into_another_collaboration_of_its_organization(root: Api, world: World) -> None:
    other = make_collaboration(root, world.own)["id"]
    response = root.post(f"/collaboration/{other}/node", json={"id": world.node})
    assert (response.status_code, ids(response.json())) == (201, {world.node})
    assert root.get(f"/collaboration/{world.collaboration}/node").json() == []
    assert root.post(f"/collaboration/{other}/node", json={"id": world.node}).status_code == 400


def test_a_node_does_not_move_where_its_organization_is_not_or_has_one(root: Api, world: World) -> None:
    foreign = f"/collaboration/{world.foreign_collaboration}/node"
    assert root.post(foreign, json={"id": world.node}).status_code == 400
    other = make_collaboration(root, world.own)["id"]
    root.made("/node", {"organization_id": world.own, "collaboration_id": other})
    assert root.post(f"/collaboration/{other}/node", json={"id": world.node}).status_code == 400


def test_a_node_that_is_removed_is_gone(services: Services, root: Api, world: World, node: Api) -> None:
    path = f"/collaboration/{world.collaboration}/node"
    assert root.request("DELETE", path, json={"id": world.foreign_node}).status_code == 400
    assert root.request("DELETE", path, json={"id": world.node}).status_code == 200
    assert root.get(f"/node/{world.node}").status_code == 404
    assert node.get(f"/node/{world.node}").status_code == 401
    assert services.anyone.post("/token/node", json={"api_key": world.api_key}).status_code == 401


def test_a_deleted_collaboration_takes_nodes_tasks_and_results_along(
    root: Api, world: World, node: Api, there: Arrangement
) -> None:
    task = there.task(world.collaboration, world.own)
    response = root.delete(f"/collaboration/{world.collaboration}")
    assert response.status_code == 200
    assert isinstance(response.json()["msg"], str)
    assert root.get(f"/collaboration/{world.collaboration}").status_code == 404
    assert root.get(f"/node/{world.node}").status_code == 404
    assert root.get(f"/task/{task}").status_code == 404
    assert there.rows("SELECT id FROM result WHERE task_id = :task", task=task) == []
    assert there.rows("SELECT id FROM authenticatable WHERE id = :node", node=world.node) == []
    assert node.get(f"/node/{world.node}").status_code == 401
    assert root.get(f"/organization/{world.own}").json()["nodes"] is None


def test_nodes_are_told_to_stop_what_a_deleted_collaboration_asked_for(
    root: Api, world: World, there: Arrangement
) -> None:
    task = there.task(world.collaboration, world.own)
    assert root.delete(f"/collaboration/{world.collaboration}").status_code == 200
    [event] = there.rows(
        "SELECT payload FROM outbox WHERE event = 'kill_containers' AND collaboration_id = :id", id=world.collaboration
    )
    assert f'"task_id": {task}' in str(event["payload"]).replace("'", '"')


def test_a_deletion_is_audited(root: Api, world: World, there: Arrangement) -> None:
    root.delete(f"/collaboration/{world.foreign_collaboration}")
    entries = there.rows(
        "SELECT action FROM audit WHERE subject_type = 'collaboration' AND subject_id = :id",
        id=world.foreign_collaboration,
    )
    assert entries == [{"action": "collaboration deleted"}]


def test_members_are_paged(root: Api, world: World) -> None:
    page = root.get(f"/collaboration/{world.collaboration}/organization?page=1&per_page=1&include=metadata")
    assert (ids(page.json()["data"]), page.headers["total-count"]) == ({world.own}, "2")
    assert set(page.json()["links"]) == {"first", "self", "next", "last"}
