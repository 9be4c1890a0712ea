"""POST recover/node: rest-api.md section 1."""

import uuid

import pytest

from support.arrange import Arrangement
from support.services import Api, Services
from support.world import World

EDIT_GLOBAL, EDIT_ORGANIZATION = ("node", "EDIT", "GLOBAL"), ("node", "EDIT", "ORGANIZATION")


@pytest.fixture
def node_id(node: Api) -> int:
    return int(node.tokens["node_url"].rpartition("/")[2])


def replace(caller: Api, node_id: object) -> str:
    response = caller.post("/recover/node", json={"id": node_id})
    assert response.status_code == 200, response.text
    assert response.json().keys() == {"api_key"}
    return response.json()["api_key"]


def refreshed(node: Api) -> int:
    headers = {"Authorization": f"Bearer {node.tokens['refresh_token']}"}
    return node.post("/token/refresh", headers=headers).status_code


def test_the_new_key_signs_in_and_the_old_one_no_more(
    services: Services, root: Api, world: World, node: Api, node_id: int
) -> None:
    key = replace(root, node_id)
    assert str(uuid.UUID(key)) == key
    assert uuid.UUID(key).version == 4
    assert services.login_node(key).get(f"/node/{node_id}").status_code == 200
    assert services.anyone.post("/token/node", json={"api_key": world.api_key}).status_code == 401


def test_what_the_old_key_got_ends_at_once_in_all_services(
    services: Services, root: Api, node: Api, node_id: int
) -> None:
    assert refreshed(node) == node.get(f"/node/{node_id}").status_code == node.get("/result").status_code == 200
    again = services.login_node(replace(root, node_id))
    assert refreshed(node) == node.get(f"/node/{node_id}").status_code == node.get("/result").status_code == 401
    assert refreshed(again) == again.get(f"/node/{node_id}").status_code == again.get("/result").status_code == 200


def test_a_key_that_a_person_chose_is_replaced_as_well(
    services: Services, root: Api, there: Arrangement, node_id: int
) -> None:
    there.run("UPDATE node SET api_key_hash = 'of another key' WHERE id = :id", id=node_id)
    assert services.login_node(replace(root, node_id))


def test_the_key_is_in_no_other_reply_and_not_stored(root: Api, there: Arrangement, node_id: int) -> None:
    key = replace(root, node_id)
    assert "api_key" not in root.get(f"/node/{node_id}").json()
    [row] = there.rows("SELECT * FROM node WHERE id = :id", id=node_id)
    trail = there.rows(
        "SELECT action, detail FROM audit WHERE subject_type = 'node' AND subject_id = :id ORDER BY id", id=node_id
    )
    assert key not in str(row) + str(trail)
    assert trail[-1]["action"] == "node key replaced"


@pytest.mark.parametrize(
    ("grants", "own", "status"),
    [
        ([EDIT_GLOBAL], False, 200),
        ([EDIT_ORGANIZATION], True, 200),
        ([EDIT_ORGANIZATION], False, 401),
        ([("node", "VIEW", "GLOBAL"), ("node", "CREATE", "GLOBAL")], True, 401),
    ],
)
def test_it_takes_leave_to_edit_the_node(
    there: Arrangement,
    world: World,
    node: Api,
    node_id: int,
    grants: list[tuple[str, str, str]],
    own: bool,
    status: int,
) -> None:
    organization = world.own if own else there.organization()
    response = there.caller(organization, grants).post("/recover/node", json={"id": node_id})
    assert response.status_code == status
    assert refreshed(node) == (401 if status == 200 else 200)


def test_nodes_and_strangers_cannot(services: Services, node: Api, node_id: int) -> None:
    for caller in (node, services.anyone):
        assert caller.post("/recover/node", json={"id": node_id}).status_code == 401
    assert refreshed(node) == 200


@pytest.mark.parametrize(
    ("body", "status"), [({}, 400), ({"id": None}, 400), ({"id": "x"}, 400), ({"id": 2**31 - 1}, 404)]
)
def test_a_node_that_is_not_named_is_a_bad_request_and_an_unknown_one_not_found(
    root: Api, body: object, status: int
) -> None:
    response = root.post("/recover/node", json=body)
    assert response.status_code == status
    assert isinstance(response.json()["msg"], str)
