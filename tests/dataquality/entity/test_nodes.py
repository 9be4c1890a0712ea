"""Nodes: rest-api.md 2.3, permissions.md 5."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from support.arrange import Arrangement
from support.services import Api, Services, unique
from support.world import World, ids, link, make_collaboration

VIEW_GLOBAL, VIEW_ORGANIZATION = ("node", "VIEW", "GLOBAL"), ("node", "VIEW", "ORGANIZATION")
EDIT_GLOBAL, EDIT_ORGANIZATION = ("node", "EDIT", "GLOBAL"), ("node", "EDIT", "ORGANIZATION")
CREATE_GLOBAL, CREATE_ORGANIZATION = ("node", "CREATE", "GLOBAL"), ("node", "CREATE", "ORGANIZATION")
DELETE_GLOBAL, DELETE_ORGANIZATION = ("node", "DELETE", "GLOBAL"), ("node", "DELETE", "ORGANIZATION")


def names(root: Api, organization: int, collaboration: int) -> tuple[str, str]:
    return (
        root.get(f"/organization/{organization}").json()["name"],
        root.get(f"/collaboration/{collaboration}").json()["name"],
    )


def test_a_new_node_has_the_contract_s_shape_and_its_key_once(root: Api, world: World) -> None:
    response = root.post("/node", json={"organization_id": world.partner, "collaboration_id": world.collaboration})
    assert response.status_code == 201
    made = response.json()
    organization, collaboration = names(root, world.partner, world.collaboration)
    key = made.pop("api_key")
    assert uuid.UUID(key).version == 4
    assert str(uuid.UUID(key)) == key
    assert made == {
        "id": made["id"],
        "type": "node",
        "name": f"{organization} - {collaboration} Node",
        "ip": None,
        "status": None,
        "last_seen": None,
        "organization": link("organization", world.partner),
        "collaboration": link("collaboration", world.collaboration),
        "config": [],
    }
    assert root.get(f"/node/{made['id']}").json() == made


def test_the_key_of_a_new_node_signs_it_in_and_is_not_stored(services: Services, root: Api, there: Arrangement) -> None:
    organization = root.made("/organization", {"name": unique("org")})["id"]
    collaboration = make_collaboration(root, organization)["id"]
    body = {"organization_id": organization, "collaboration_id": collaboration, "name": "mine"}
    made = root.made("/node", body)
    node = services.login_node(made["api_key"])
    assert node.get(f"/node/{made['id']}").json()["name"] == "mine"
    [row] = there.rows("SELECT * FROM node WHERE id = :id", id=made["id"])
    assert made["api_key"] not in str(row)


def test_a_node_is_of_one_s_own_organization_unless_another_is_named(
    root: Api, world: World, there: Arrangement
) -> None:
    caller = there.caller(world.partner, [CREATE_ORGANIZATION])
    body = {"collaboration_id": world.collaboration, "organization_id": None, "name": None}
    assert caller.made("/node", body)["organization"] == link("organization", world.partner)


@pytest.mark.parametrize(
    ("grants", "own", "foreign"),
    [([], 401, 401), ([EDIT_GLOBAL], 401, 401), ([CREATE_ORGANIZATION], 201, 401), ([CREATE_GLOBAL], 201, 201)],
)
def test_who_may_create(root: Api, world: World, there: Arrangement, grants: Any, own: int, foreign: int) -> None:
    collaboration = make_collaboration(root, world.own, world.partner)["id"]
    caller = there.caller(world.own, grants)
    for organization, status in ((world.own, own), (world.partner, foreign)):
        body = {"organization_id": organization, "collaboration_id": collaboration}
        assert caller.post("/node", json=body).status_code == status


def test_where_a_node_cannot_be(root: Api, world: World) -> None:
    def status(organization: int, collaboration: int) -> int:
        body = {"organization_id": organization, "collaboration_id": collaboration}
        return root.post("/node", json=body).status_code

    assert status(world.own, 999999) == 404
    assert status(world.stranger, world.collaboration) == 400
    assert status(999999, world.collaboration) == 400
    assert status(world.own, world.collaboration) == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "collaboration_id"),
        ({"collaboration_id": None}, "collaboration_id"),
        ({"collaboration_id": "x"}, "collaboration_id"),
        ({"collaboration_id": 2**40}, "collaboration_id"),
        ({"collaboration_id": 1, "organization_id": "x"}, "organization_id"),
        ({"collaboration_id": 1, "name": 7}, "name"),
    ],
)
def test_a_missing_or_ill_typed_field_is_named(root: Api, body: dict[str, Any], field: str) -> None:
    response = root.post("/node", json=body)
    assert response.status_code == 400
    assert isinstance(response.json()["msg"], str)
    assert set(response.json()["message"]) == {field}


def visible(caller: Api, **params: Any) -> set[int]:
    return ids(caller.get("/node", params=params).json())


def test_with_global_scope_one_sees_all(world: World, there: Arrangement) -> None:
    caller = there.caller(world.own, [VIEW_GLOBAL])
    assert {world.node, world.foreign_node} <= visible(caller)
    assert caller.get(f"/node/{world.foreign_node}").status_code == 200


def test_with_organization_scope_one_sees_one_s_own(world: World, there: Arrangement) -> None:
    caller = there.caller(world.own, [VIEW_ORGANIZATION])
    assert visible(caller) == {world.node}
    assert caller.get(f"/node/{world.node}").status_code == 200
    assert caller.get(f"/node/{world.foreign_node}").status_code == 401


def test_without_a_rule_one_sees_none(world: World, there: Arrangement) -> None:
    caller = there.caller(world.own)
    assert caller.get("/node").status_code == 401
    assert caller.get(f"/node/{world.node}").status_code == 401


def test_a_node_sees_the_nodes_of_its_organization(root: Api, world: World, node: Api) -> None:
    other = make_collaboration(root, world.own)["id"]
    second = root.made("/node", {"organization_id": world.own, "collaboration_id": other})["id"]
    assert visible(node) == {world.node, second}
    assert node.get(f"/node/{world.foreign_node}").status_code == 401


def test_an_algorithm_sees_the_node_that_it_runs_on_and_no_other(root: Api, world: World, container: Api) -> None:
    other = make_collaboration(root, world.own)["id"]
    second = root.made("/node", {"organization_id": world.own, "collaboration_id": other})["id"]
    assert container.get(f"/node/{world.node}").json()["id"] == world.node
    assert container.get(f"/node/{second}").status_code == 401
    assert container.get("/node").status_code == 401


def test_filters(root: Api, world: World, there: Arrangement) -> None:
    word = unique("node")
    there.online(world.node)
    there.run(
        "UPDATE authenticatable SET ip = :ip, last_seen = :seen WHERE id = :id",
        ip=word, seen=datetime(2026, 3, 5, 12, tzinfo=UTC).replace(tzinfo=None), id=world.node,
    )  # fmt: skip
    there.run("UPDATE node SET name = :name WHERE id = :id", name=f"{word} X", id=world.node)
    only = {world.node}
    for found in ({"name": f"{word} x"}, {"organization_id": world.own}, {"collaboration_id": world.collaboration}):
        assert visible(root, **found) == only
    for found in ({"ip": word}, {"last_seen_from": "2026-03-05"}, {"last_seen_till": "2026-03-05"}):
        assert visible(root, organization_id=world.own, **found) == only
    for missed in (
        {"status": "offline"},
        {"ip": "x"},
        {"last_seen_from": "2026-03-06"},
        {"last_seen_till": "2026-03-04"},
    ):
        assert visible(root, organization_id=world.own, **missed) == set()
    assert visible(root, organization_id=world.own, status="online") == only
    assert root.get("/node?status=asleep").status_code == 400


def test_what_a_node_told_about_itself_and_when_it_was_seen(root: Api, world: World, there: Arrangement) -> None:
    seen = datetime(2026, 3, 5, 12, 0, 0, 7, tzinfo=UTC)
    there.run(
        "UPDATE authenticatable SET last_seen = :seen WHERE id = :id", seen=seen.replace(tzinfo=None), id=world.node
    )
    for key, value in (("encryption", "1"), ("allowed_users", "b"), ("allowed_users", "a")):
        there.run("INSERT INTO nodeconfig (node_id, key, value) VALUES (:n, :k, :v)", n=world.node, k=key, v=value)
    shown = root.get(f"/node/{world.node}").json()
    assert shown["last_seen"] == "2026-03-05T12:00:00.000007+00:00"
    assert shown["config"] == [
        {"key": "encryption", "value": "1"},
        {"key": "allowed_users", "value": "b"},
        {"key": "allowed_users", "value": "a"},
    ]


def test_what_is_null_or_absent_stays(root: Api, world: World) -> None:
    before = root.get(f"/node/{world.node}").json()
    body = {"name": None, "organization_id": None, "collaboration_id": None, "ip": "10.0.0.1"}
    response = root.patch(f"/node/{world.node}", json=body)
    assert (response.status_code, response.json()) == (200, before | {"ip": "10.0.0.1"})
    assert root.patch(f"/node/{world.node}", json={"name": "new"}).json()["name"] == "new"


def test_an_address_is_cleared_unless_another_is_given(world: World, node: Api) -> None:
    path = f"/node/{world.node}"
    assert node.patch(path, json={"ip": "10.0.0.1"}).json()["ip"] == "10.0.0.1"
    assert node.patch(path, json={"clear_ip": True, "ip": "10.0.0.2"}).json()["ip"] == "10.0.0.2"
    assert node.patch(path, json={"clear_ip": False}).json()["ip"] == "10.0.0.2"
    assert node.patch(path, json={"clear_ip": True}).json()["ip"] is None


@pytest.mark.parametrize(
    ("grants", "own", "foreign"), [([], 401, 401), ([EDIT_ORGANIZATION], 200, 401), ([EDIT_GLOBAL], 200, 200)]
)
def test_who_may_change(world: World, there: Arrangement, grants: Any, own: int, foreign: int) -> None:
    caller = there.caller(world.own, grants)
    assert caller.patch(f"/node/{world.node}", json={"name": "x"}).status_code == own
    assert caller.patch(f"/node/{world.foreign_node}", json={"name": "x"}).status_code == foreign


def test_a_node_may_change_only_its_own_address_and_an_algorithm_nothing(
    root: Api, world: World, node: Api, container: Api
) -> None:
    elsewhere = make_collaboration(root, world.own)["id"]
    sibling = root.made("/node", {"organization_id": world.own, "collaboration_id": elsewhere})["id"]
    assert node.patch(f"/node/{world.node}", json={"ip": "10.0.0.1"}).status_code == 200
    assert node.patch(f"/node/{world.node}", json={"name": "x"}).status_code == 401
    for other in (sibling, world.foreign_node):
        assert node.patch(f"/node/{other}", json={"ip": "10.0.0.1"}).status_code == 401
    assert container.patch(f"/node/{world.node}", json={"ip": "10.0.0.1"}).status_code == 401


def test_only_with_global_scope_a_node_gets_another_organization(root: Api, world: World, there: Arrangement) -> None:
    path, body = f"/node/{world.node}", {"organization_id": world.partner}
    assert there.caller(world.own, [EDIT_ORGANIZATION]).patch(path, json=body).status_code == 401
    assert root.patch(path, json={"organization_id": 999999}).status_code == 404
    assert root.patch(path, json=body).json()["organization"] == link("organization", world.partner)


def test_a_node_moves_only_into_collaborations_of_its_organization(root: Api, world: World, there: Arrangement) -> None:
    other = make_collaboration(root, world.own)["id"]
    caller, path = there.caller(world.own, [EDIT_ORGANIZATION]), f"/node/{world.node}"
    assert caller.patch(path, json={"collaboration_id": 999999}).status_code == 404
    assert caller.patch(path, json={"collaboration_id": world.foreign_collaboration}).status_code == 401
    assert root.patch(path, json={"collaboration_id": world.foreign_collaboration}).status_code == 400
    moved = caller.patch(path, json={"collaboration_id": other})
    assert moved.json()["collaboration"] == link("collaboration", other)


def test_a_pair_that_has_a_node_gets_no_second_one(root: Api, world: World) -> None:
    other = make_collaboration(root, world.own)["id"]
    second = root.made("/node", {"organization_id": world.own, "collaboration_id": other})["id"]
    assert root.patch(f"/node/{second}", json={"collaboration_id": world.collaboration}).status_code == 400


@pytest.mark.parametrize(
    ("grants", "own", "foreign"), [([], 401, 401), ([DELETE_ORGANIZATION], 200, 401), ([DELETE_GLOBAL], 200, 200)]
)
def test_who_may_delete(world: World, there: Arrangement, grants: Any, own: int, foreign: int) -> None:
    caller = there.caller(world.own, grants)
    assert caller.delete(f"/node/{world.foreign_node}").status_code == foreign
    assert caller.delete(f"/node/{world.node}").status_code == own


def test_nodes_and_algorithms_may_not_delete(world: World, node: Api, container: Api) -> None:
    assert node.delete(f"/node/{world.node}").status_code == 401
    assert container.delete(f"/node/{world.node}").status_code == 401


def test_a_deleted_node_is_nobody_and_its_results_stay(
    services: Services, root: Api, world: World, node: Api, there: Arrangement
) -> None:
    task = there.task(world.collaboration, world.own)
    there.run("UPDATE result SET node_id = :node WHERE task_id = :task", node=world.node, task=task)
    assert root.delete(f"/node/{world.node}").status_code == 200
    assert node.get(f"/node/{world.node}").status_code == 401
    assert services.anyone.post("/token/node", json={"api_key": world.api_key}).status_code == 401
    refresh = services.anyone.post(
        "/token/refresh", headers={"Authorization": f"Bearer {node.tokens['refresh_token']}"}
    )
    assert refresh.status_code == 401
    assert there.rows("SELECT node_id FROM result WHERE task_id = :task", task=task) == [{"node_id": None}]


def test_creation_and_deletion_are_audited_without_the_key(root: Api, world: World, there: Arrangement) -> None:
    root.delete(f"/node/{world.node}")
    entries = there.rows(
        "SELECT action, detail FROM audit WHERE subject_type = 'node' AND subject_id = :id ORDER BY id", id=world.node
    )
    assert [entry["action"] for entry in entries] == ["node created", "node deleted"]
    assert world.api_key not in str(entries)


def test_an_unknown_id_is_not_found_before_the_permission_is_asked(world: World, there: Arrangement) -> None:
    nobody = there.caller(world.own)
    for method in ("GET", "PATCH", "DELETE"):
        assert nobody.request(method, "/node/999999", json={}).status_code == 404


def test_nobody_is_unauthorized(services: Services) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/1"), ("PATCH", "/1"), ("DELETE", "/1")):
        assert services.anyone.request(method, f"/node{path}", json={}).status_code == 401
