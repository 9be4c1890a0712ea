"""Organizations: rest-api.md 2.1, permissions.md 5."""

import base64
from typing import Any

import pytest

from support.arrange import Arrangement
from support.services import Api, Services, unique
from support.world import World, ids, link, make_collaboration

VIEW_GLOBAL = ("organization", "VIEW", "GLOBAL")
VIEW_COLLABORATION = ("organization", "VIEW", "COLLABORATION")
VIEW_ORGANIZATION = ("organization", "VIEW", "ORGANIZATION")
EDIT_GLOBAL = ("organization", "EDIT", "GLOBAL")
EDIT_ORGANIZATION = ("organization", "EDIT", "ORGANIZATION")
TEXTS = ("name", "domain", "address1", "address2", "zipcode", "country")
KEY = base64.b64encode(b"\x00\xff a key \n").decode()


def test_a_new_organization_has_the_contract_s_shape(root: Api) -> None:
    body = {text: unique(text) for text in TEXTS}
    response = root.post("/organization", json=body | {"public_key": KEY})
    assert response.status_code == 201
    made = response.json()
    assert made == {
        "id": made["id"],
        **body,
        "public_key": KEY,
        "collaborations": None,
        "nodes": None,
        "users": None,
        "results": None,
        "roles": [],
    }
    assert root.get(f"/organization/{made['id']}").json() == made


def test_all_fields_of_a_new_organization_may_be_left_out(root: Api) -> None:
    made = root.made("/organization", {})
    assert {text: made[text] for text in TEXTS} == dict.fromkeys(TEXTS, "")
    assert made["public_key"] == ""


def test_relations_are_links_and_roles_plain_ids(root: Api, world: World, there: Arrangement) -> None:
    user = there.user(world.own)
    role = root.made("/role", {"name": unique("role"), "description": "", "organization_id": world.own})["id"]
    task = there.task(world.collaboration, world.own)
    [result] = [row["id"] for row in there.rows("SELECT id FROM result WHERE task_id = :task", task=task)]
    shown = root.get(f"/organization/{world.own}").json()
    assert shown["collaborations"] == [link("collaboration", world.collaboration)]
    assert shown["nodes"] == [link("node", world.node)]
    assert shown["users"] == [link("user", user)]
    assert shown["results"] == [link("result", result)]
    assert shown["roles"] == [role]


def test_results_are_the_newest_hundred(root: Api, world: World, there: Arrangement) -> None:
    there.task(world.collaboration, *[world.own] * 105)
    shown = [entry["id"] for entry in root.get(f"/organization/{world.own}").json()["results"]]
    every = [row["id"] for row in there.rows("SELECT id FROM result WHERE organization_id = :id", id=world.own)]
    assert shown == sorted(every, reverse=True)[:100]


@pytest.mark.parametrize("key", ["no base64", "a2V", "a2V5\n", "QR==", "-_-_", 7, ["a2V5"]])
def test_a_public_key_must_be_base64(root: Api, world: World, key: Any) -> None:
    for response in (
        root.post("/organization", json={"public_key": key}),
        root.patch(f"/organization/{world.own}", json={"public_key": key}),
    ):
        assert response.status_code == 400
        assert "base64" in response.json()["message"]["public_key"] or not isinstance(key, str)


@pytest.mark.parametrize("name", [7, [], {}, True, "NUL\0"])
def test_an_ill_typed_field_is_a_bad_request_that_names_it(root: Api, world: World, name: Any) -> None:
    for response in (
        root.post("/organization", json={"name": name}),
        root.patch(f"/organization/{world.own}", json={"name": name}),
    ):
        assert response.status_code == 400
        assert "name" in response.json()["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"'])
def test_a_body_that_is_no_json_object_is_a_bad_request(root: Api, body: bytes) -> None:
    response = root.post("/organization", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert isinstance(response.json()["msg"], str)


def test_half_a_character_is_a_bad_request(root: Api) -> None:
    headers = {"Content-Type": "application/json"}
    response = root.post("/organization", content=b'{"name": "\\ud800"}', headers=headers)
    assert (response.status_code, set(response.json()["message"])) == (400, {"name"})


def test_what_is_null_or_absent_stays(root: Api) -> None:
    made = root.made("/organization", {"name": "a", "domain": "b", "country": "c", "public_key": KEY})
    response = root.patch(f"/organization/{made['id']}", json={"name": None, "domain": "d", "public_key": None})
    assert response.status_code == 200
    assert response.json() == made | {"domain": "d"}


def test_a_public_key_can_be_taken_away(root: Api) -> None:
    made = root.made("/organization", {"public_key": KEY})
    assert root.patch(f"/organization/{made['id']}", json={"public_key": ""}).json()["public_key"] == ""


def test_a_change_of_the_public_key_is_audited_with_the_old_one(root: Api, world: World, there: Arrangement) -> None:
    other = base64.b64encode(b"other").decode()
    for key in (KEY, KEY, other):
        assert root.patch(f"/organization/{world.own}", json={"public_key": key}).status_code == 200
    entries = there.rows(
        "SELECT detail FROM audit WHERE action = 'public key changed' AND subject_id = :id ORDER BY id", id=world.own
    )
    assert [KEY in str(entry["detail"]) for entry in entries] == [False, True]


def visible(caller: Api) -> set[int]:
    return ids(caller.get("/organization").json())


def test_with_global_scope_one_sees_all(world: World, there: Arrangement) -> None:
    caller = there.caller(world.own, [VIEW_GLOBAL])
    assert {world.own, world.partner, world.stranger} <= visible(caller)
    assert caller.get(f"/organization/{world.stranger}").status_code == 200


def test_with_collaboration_scope_one_sees_partners(world: World, there: Arrangement) -> None:
    caller = there.caller(world.own, [VIEW_COLLABORATION])
    assert visible(caller) == {world.own, world.partner}
    assert caller.get(f"/organization/{world.partner}").status_code == 200
    assert caller.get(f"/organization/{world.stranger}").status_code == 401


def test_with_organization_scope_one_sees_one_s_own(world: World, there: Arrangement) -> None:
    caller = there.caller(world.own, [VIEW_ORGANIZATION])
    assert visible(caller) == {world.own}
    assert caller.get(f"/organization/{world.own}").status_code == 200
    assert caller.get(f"/organization/{world.partner}").status_code == 401


def test_without_a_rule_one_sees_none(world: World, there: Arrangement) -> None:
    caller = there.caller(world.own)
    assert caller.get("/organization").status_code == 401
    assert caller.get(f"/organization/{world.own}").status_code == 401


def test_nodes_and_containers_see_partners(world: World, node: Api, container: Api) -> None:
    for caller in (node, container):
        assert visible(caller) == {world.own, world.partner}
        assert caller.get(f"/organization/{world.partner}").status_code == 200
        assert caller.get(f"/organization/{world.stranger}").status_code == 401


def test_an_unknown_id_is_not_found_before_the_permission_is_asked(world: World, there: Arrangement) -> None:
    nobody = there.caller(world.own)
    for path in ("/organization/999999", f"/organization/{2**40}", "/organization/999999/node"):
        assert nobody.get(path).status_code == 404
    assert nobody.patch("/organization/999999", json={}).status_code == 404
    assert nobody.get("/organization/x").status_code == 404


def test_nobody_is_unauthorized(services: Services) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/1"), ("PATCH", "/1"), ("GET", "/1/node")):
        assert services.anyone.request(method, f"/organization{path}", json={}).status_code == 401


def test_an_organization_cannot_be_deleted(root: Api, world: World) -> None:
    response = root.delete(f"/organization/{world.own}")
    assert response.status_code == 405
    assert isinstance(response.json()["msg"], str)


@pytest.mark.parametrize(
    ("grants", "status"), [([], 401), ([EDIT_GLOBAL], 401), ([("organization", "CREATE", "GLOBAL")], 201)]
)
def test_who_may_create(world: World, there: Arrangement, grants: Any, status: int) -> None:
    assert there.caller(world.own, grants).post("/organization", json={"name": "x"}).status_code == status


def test_nodes_and_containers_may_not_create(node: Api, container: Api) -> None:
    assert node.post("/organization", json={}).status_code == 401
    assert container.post("/organization", json={}).status_code == 401


@pytest.mark.parametrize(
    ("grants", "own", "foreign"), [([], 401, 401), ([EDIT_ORGANIZATION], 200, 401), ([EDIT_GLOBAL], 200, 200)]
)
def test_who_may_change(world: World, there: Arrangement, grants: Any, own: int, foreign: int) -> None:
    caller = there.caller(world.own, grants)
    assert caller.patch(f"/organization/{world.own}", json={"name": "x"}).status_code == own
    assert caller.patch(f"/organization/{world.partner}", json={"name": "x"}).status_code == foreign


def test_a_node_may_change_its_organization_s_public_key_and_nothing_else(world: World, node: Api) -> None:
    path = f"/organization/{world.own}"
    name = node.get(path).json()["name"]
    assert node.patch(path, json={"public_key": KEY, "name": None}).json()["public_key"] == KEY
    assert node.patch(path, json={"public_key": KEY, "name": "x"}).status_code == 401
    assert node.patch(path, json={"domain": "x"}).status_code == 401
    assert node.patch(f"/organization/{world.partner}", json={"public_key": KEY}).status_code == 401
    assert node.get(path).json()["name"] == name


def test_a_container_may_change_nothing(world: World, container: Api) -> None:
    assert container.patch(f"/organization/{world.own}", json={"public_key": KEY}).status_code == 401


def test_a_revoked_rule_stops_working_at_once(root: Api, world: World, there: Arrangement) -> None:
    user = there.user(world.own, grants=[VIEW_ORGANIZATION])
    caller = there.signed_in(user)
    assert caller.get("/organization").status_code == 200
    assert root.patch(f"/user/{user}", json={"rules": []}).status_code == 200
    assert caller.get("/organization").status_code == 401


def test_filters_by_name_country_and_collaboration(root: Api, world: World) -> None:
    word = unique("filter")
    first = root.made("/organization", {"name": f"{word} One", "country": word})["id"]
    second = root.made("/organization", {"name": f"{word} Two"})["id"]
    assert ids(root.get("/organization", params={"name": f"{word.upper()} %"}).json()) == {first, second}
    assert ids(root.get("/organization", params={"name": word}).json()) == set()
    assert ids(root.get("/organization", params={"country": word}).json()) == {first}
    params = {"collaboration_id": world.collaboration, "unknown": "ignored"}
    assert ids(root.get("/organization", params=params).json()) == {world.own, world.partner}


@pytest.mark.parametrize("query", ["collaboration_id=x", "page=0", "page=1&per_page=-1", "page=x", "name=%00"])
def test_a_wrong_query_is_a_bad_request(root: Api, query: str) -> None:
    assert root.get(f"/organization?{query}").status_code == 400


def test_a_pattern_that_the_database_does_not_take_is_no_outage(root: Api) -> None:
    assert root.get("/organization", params={"name": "x\\"}).status_code in (200, 400)


def test_pages_come_with_headers_and_on_request_in_an_envelope(root: Api, world: World) -> None:
    query = f"collaboration_id={world.collaboration}&page=2&per_page=1"
    page = root.get(f"/organization?{query}")
    assert (ids(page.json()), page.headers["total-count"]) == ({world.partner}, "2")
    base = f"/api/organization?collaboration_id={world.collaboration}"
    assert page.headers["Link"] == (
        f"<{base}&page=1&per_page=1>; rel=first,<{base}&page=1&per_page=1>; rel=previous,"
        f"<{base}&page=2&per_page=1>; rel=self,<{base}&page=2&per_page=1>; rel=last"
    )
    envelope = root.get(f"/organization?{query}&include=metadata").json()
    assert (ids(envelope["data"]), set(envelope["links"])) == ({world.partner}, {"first", "previous", "self", "last"})


def test_collaborations_of_an_organization_are_a_bare_list(root: Api, world: World, there: Arrangement) -> None:
    caller = there.caller(world.own, [("collaboration", "VIEW", "ORGANIZATION")])
    for path in ("", "?include=metadata"):
        listed = caller.get(f"/organization/{world.own}/collaboration{path}").json()
        assert listed == [root.get(f"/collaboration/{world.collaboration}").json()]
    assert caller.get(f"/organization/{world.partner}/collaboration").status_code == 401
    assert ids(root.get(f"/organization/{world.partner}/collaboration").json()) == {world.collaboration}


def test_nodes_of_an_organization_are_a_bare_list(root: Api, world: World, there: Arrangement) -> None:
    caller = there.caller(world.own, [("node", "VIEW", "ORGANIZATION")])
    listed = caller.get(f"/organization/{world.own}/node?include=metadata").json()
    assert listed == [root.get(f"/node/{world.node}").json()]
    assert caller.get(f"/organization/{world.partner}/node").status_code == 401
    assert root.get(f"/organization/{world.partner}/node").json() == []


def test_bare_lists_are_paged_when_asked(root: Api, world: World) -> None:
    second = make_collaboration(root, world.own)["id"]
    page = root.get(f"/organization/{world.own}/collaboration?page=2&per_page=1")
    assert (ids(page.json()), page.headers["total-count"]) == ({second}, "2")


def test_a_node_sees_its_organization_s_collaborations_and_nodes_and_a_container_does_not(
    world: World, node: Api, container: Api
) -> None:
    for noun, identity in (("collaboration", world.collaboration), ("node", world.node)):
        assert ids(node.get(f"/organization/{world.own}/{noun}").json()) == {identity}
        assert container.get(f"/organization/{world.own}/{noun}").status_code == 401
