"""You cannot give or take what you lack, nor be somebody else: what no scope alone decides."""

from typing import Any

import pytest

from support.arrange import Arrangement, Grants
from support.collaborations import World, new_world
from support.services import Api, Services, unique
from support.sockets import opened

LACKED = ("node", "DELETE", "GLOBAL")
ADMIN: Grants = [
    *((resource, operation, "ORGANIZATION") for resource in ("user", "role") for operation in ("CREATE", "EDIT")),
    ("role", "DELETE", "ORGANIZATION"),
]


@pytest.fixture
def there(services: Services) -> Arrangement:
    """What is there before the test begins."""
    return Arrangement(services)


@pytest.fixture
def organization(there: Arrangement) -> int:
    """An organization of the test's own."""
    return there.organization()


@pytest.mark.parametrize(
    "action",
    [
        "make a user with a role",
        "make a user with a rule",
        "give a user a role",
        "give a user a rule",
        "take a role from a user",
        "take a rule from a user",
        "make a role with a rule",
        "set the rules of a role",
        "put a rule into a role",
        "take a rule out of a role",
        "empty a role",
        "rename a role",
        "delete a role",
    ],
)
def test_nobody_gives_or_takes_a_rule_that_they_lack_and_the_answer_names_it(
    there: Arrangement, organization: int, action: str
) -> None:
    rule, admin, root = there.rule(*LACKED), there.caller(organization, ADMIN), there.signed_in(1)
    role_body = {"name": unique("role"), "description": "", "organization_id": organization}
    powerful = root.made("/role", role_body | {"rules": [rule]})["id"]
    plain = root.made("/role", role_body)["id"]
    nobody, with_role = there.user(organization), there.user(organization, roles=[powerful])
    with_rule = there.user(organization, grants=[LACKED])
    name = unique("user")
    new_user: dict[str, Any] = {"username": name, "firstname": "A", "lastname": "B", "password": "Abc-12345"}
    new_user |= {"email": f"{name}@example.org"}

    actions: dict[str, tuple[str, str, Any]] = {
        "make a user with a role": ("POST", "/user", new_user | {"roles": [powerful]}),
        "make a user with a rule": ("POST", "/user", new_user | {"rules": [rule]}),
        "give a user a role": ("PATCH", f"/user/{nobody}", {"roles": [powerful]}),
        "give a user a rule": ("PATCH", f"/user/{nobody}", {"rules": [rule]}),
        "take a role from a user": ("PATCH", f"/user/{with_role}", {"roles": []}),
        "take a rule from a user": ("PATCH", f"/user/{with_rule}", {"rules": []}),
        "make a role with a rule": ("POST", "/role", role_body | {"rules": [rule]}),
        "set the rules of a role": ("PATCH", f"/role/{plain}", {"rules": [rule]}),
        "put a rule into a role": ("POST", f"/role/{plain}/rule/{rule}", None),
        "take a rule out of a role": ("DELETE", f"/role/{powerful}/rule/{rule}", None),
        "empty a role": ("PATCH", f"/role/{powerful}", {"rules": []}),
        "rename a role": ("PATCH", f"/role/{powerful}", {"name": unique("role")}),
        "delete a role": ("DELETE", f"/role/{powerful}", None),
    }
    method, path, body = actions[action]
    refused = admin.request(method, path, json=body)
    assert refused.status_code == 401
    assert "delete node at scope global" in refused.json()["msg"]
    holder = there.caller(organization, [*ADMIN, LACKED])
    assert holder.request(method, path, json=body).status_code in (200, 201)


@pytest.mark.parametrize("body", [{"email": "mine@example.org"}, {"firstname": "x"}, {"roles": []}, {"rules": []}])
def test_an_administrator_of_an_organization_has_no_hold_on_a_root_user_in_it(
    there: Arrangement, organization: int, body: dict[str, Any]
) -> None:
    admin = there.caller(organization, roles=[there.role_id("Organization Admin")])
    powerful = there.user(organization, roles=[there.role_id("Root")])
    assert admin.patch(f"/user/{powerful}", json=body).status_code == 401
    assert admin.delete(f"/user/{powerful}").status_code == 401
    assert there.signed_in(1).get(f"/user/{powerful}").json()["roles"][0]["id"] == there.role_id("Root")


def test_a_container_ends_with_its_node(there: Arrangement, services: Services, organization: int) -> None:
    key, collaboration = unique("key"), there.collaboration(organization)
    node = there.node(organization, collaboration, key)
    task = there.task(collaboration, organization)
    body = {"task_id": task, "image": "image"}
    token = services.login_node(key).made("/token/container", body)["container_token"]
    container = Api(services.addresses, token)
    assert [container.get(path).status_code for path in ("/organization", "/task")] == [200, 200]
    assert there.signed_in(1).delete(f"/node/{node}").status_code == 200
    assert [container.get(path).status_code for path in ("/organization", "/task")] == [401, 401]


@pytest.mark.parametrize("room", ["collaboration_{}", "all_nodes", "all_connections", "node_{node}"])
async def test_no_client_gets_into_a_room_by_asking(services: Services, room: str) -> None:
    ours, theirs = new_world(services, 1), new_world(services, 1)
    async with (
        opened(services, ours.sites[0].api.token) as intruder,
        opened(services, theirs.sites[0].api.token) as witness,
    ):
        await witness.hears("node-online")
        await intruder.hears("node-online")
        await intruder.say("join_room", room.format(theirs.id, node=theirs.sites[0].node["id"]))
        task = theirs.ask()["id"]
        await witness.hears("new_task", task)
        # What is asked here comes after it: the intruder would have heard both.
        await intruder.hears("new_task", ours.ask()["id"])
        assert (task,) not in intruder.arguments("new_task")


async def test_a_node_reports_only_what_is_its_own(services: Services) -> None:
    ours, theirs = new_world(services, 1), new_world(services, 1)
    [result] = theirs.ask()["results"]
    claims = report(theirs, result["id"])
    async with (
        opened(services, ours.sites[0].api.token) as liar,
        opened(services, theirs.sites[0].api.token) as witness,
    ):
        await liar.hears("node-online")
        await liar.say("container_failed", claims)
        await liar.say("algorithm_status_change", claims)
        # Its own report is taken: by then the others were refused.
        [own] = ours.ask()["results"]
        await liar.say("algorithm_status_change", report(ours, own["id"]))
        await liar.hears("algorithm_status_change")
        await witness.hears("new_task", theirs.ask()["id"])
        assert witness.arguments("container_failed") + witness.arguments("algorithm_status_change") == []
    assert theirs.root.get(f"/result/{result['id']}").json()["status"] == "pending"


def report(world: World, result: int) -> dict[str, Any]:
    return {
        "node_id": world.sites[0].node["id"],
        "status": "crashed",
        "status_code": 1,
        "result_id": result,
        "task_id": 1,
        "collaboration_id": world.id,
        "organization_id": world.sites[0].id,
        "parent_id": None,
    }
