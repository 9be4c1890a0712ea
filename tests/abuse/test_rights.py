"""Nodes, users and algorithms that try to be more than their keys say."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.abuse.honest import honest_user_beside
from support.abuse.stack import ATTACKER, PASSWORD, AttackedStack, Study
from support.services import unique
from support.sockets import NAMESPACE, new_blocking_client
from support.waiting import eventually

IMAGE = "registry.example/mean:1"


@pytest.fixture(scope="module")
def attacked(shared_stack: AttackedStack) -> Iterator[AttackedStack]:
    """The stack, with one honest user at work beside all attacks of this file."""
    shared_stack.wait_until_running()
    with honest_user_beside(shared_stack):
        yield shared_stack


def made(stack: AttackedStack, token: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    with stack.client(token) as http:
        answer = http.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def node_of(stack: AttackedStack, study: Study) -> str:
    return str(made(stack, "", "/token/node", {"api_key": study.api_key})["access_token"])


def researcher_of(stack: AttackedStack, study: Study) -> str:
    return str(stack.sign_in(study.username)["access_token"])


def container_of(stack: AttackedStack, study: Study, **changes: Any) -> tuple[str, dict[str, Any]]:
    """The token of an algorithm on the study's node, and its task."""
    task = made(stack, researcher_of(stack, study), "/task", study.task(**changes))
    body = {"task_id": task["id"], "image": IMAGE}
    return str(made(stack, node_of(stack, study), "/token/container", body)["container_token"]), task


def joined(stack: AttackedStack, study: Study) -> int:
    """A further collaboration of the study's organization."""
    body = {"name": unique("further"), "organization_ids": [study.organization]}
    return int(made(stack, stack.root, "/collaboration", body)["id"])


def sibling(stack: AttackedStack, study: Study) -> Study:
    """The same organization in another collaboration, with another node there."""
    collaboration = joined(stack, study)
    both = {"collaboration_id": collaboration, "organization_id": study.organization}
    node = made(stack, stack.root, "/node", both)
    return Study(study.username, study.organization, collaboration, node["id"], node["api_key"])


def attacker(stack: AttackedStack, token: str) -> httpx.Client:
    return stack.client(token, source=ATTACKER)


@pytest.mark.parametrize(
    "body",
    [
        {"collaboration_id": "elsewhere"},
        {"name": "mine"},
        {"organization_id": "own"},
        {"ip": "10.0.0.66", "collaboration_id": "elsewhere"},
        {"ip": "10.0.0.66"},
        {"clear_ip": True},
    ],
    ids=lambda body: "-".join(body),
)
def test_node_cannot_change_another_node_of_its_organization(attacked: AttackedStack, body: dict[str, Any]) -> None:
    study = attacked.new_study()
    other, elsewhere = sibling(attacked, study), joined(attacked, study)
    values = {"elsewhere": elsewhere, "own": study.organization}
    filled = {key: values.get(value, value) for key, value in body.items()}
    with attacked.client(attacked.root) as root, attacker(attacked, node_of(attacked, study)) as http:
        before = root.get(f"/node/{other.node}").json()
        assert http.patch(f"/node/{other.node}", json=filled).status_code == 401
        assert root.get(f"/node/{other.node}").json() == before


def test_node_cannot_move_itself_and_answer_for_another_collaboration(attacked: AttackedStack) -> None:
    study = attacked.new_study()
    other = sibling(attacked, study)
    with attacked.client(attacked.root) as root, attacker(attacked, node_of(attacked, study)) as http:
        task = made(attacked, researcher_of(attacked, other), "/task", other.task())
        [result] = [link["id"] for link in task["results"]]
        away = {"collaboration_id": joined(attacked, study)}
        assert http.patch(f"/node/{other.node}", json=away).status_code == 401
        assert http.patch(f"/node/{study.node}", json={"collaboration_id": other.collaboration}).status_code == 401
        assert http.patch(f"/node/{study.node}", json={"name": "mine"}).status_code == 401
        assert http.post("/token/container", json={"task_id": task["id"], "image": IMAGE}).status_code == 401
        assert http.patch(f"/result/{result}", json={"result": "forged"}).status_code == 401
        assert root.get(f"/result/{result}").json()["result"] is None


def test_node_sets_and_clears_its_own_address_as_its_clients_do(attacked: AttackedStack) -> None:
    study = attacked.new_study()
    unchanged = {"name": None, "organization_id": None, "collaboration_id": None}
    with attacked.client(node_of(attacked, study)) as http:
        assert http.patch(f"/node/{study.node}", json={"ip": "10.0.0.1"}).json()["ip"] == "10.0.0.1"
        cleared = http.patch(f"/node/{study.node}", json=unchanged | {"clear_ip": True})
    assert cleared.json()["ip"] is None
    assert cleared.json()["collaboration"]["id"] == study.collaboration


def tell(stack: AttackedStack, study: Study, policy: dict[str, Any]) -> None:
    """The node says whose tasks it takes, as 3.11 nodes do after they connected."""
    client = new_blocking_client()
    headers = {"Authorization": f"Bearer {node_of(stack, study)}"}
    client.connect(f"http://127.0.0.1:{stack.port}", headers=headers, namespaces=[NAMESPACE], wait_timeout=30)
    client.emit("node_info_update", policy, namespace=NAMESPACE)
    wanted = sorted(str(value) for values in policy.values() for value in values)
    with stack.client(stack.root) as root:
        eventually(lambda: sorted(one["value"] for one in root.get(f"/node/{study.node}").json()["config"]) == wanted)
    client.disconnect()


def test_user_named_like_an_id_does_not_pass_a_node_s_policy(attacked: AttackedStack) -> None:
    study = attacked.new_study()
    with attacked.client(attacked.root) as root:
        friend = root.get("/user", params={"username": attacked.new_study().username}).json()[0]["id"]
        tell(attacked, study, {"allowed_users": [friend]})
        with attacker(attacked, researcher_of(attacked, study)) as http:
            assert http.post("/task", json=study.task()).status_code == 400
            me = root.get("/user", params={"username": study.username}).json()[0]["id"]
            http.patch(f"/user/{me}", json={"username": str(friend)})
            assert http.post("/task", json=study.task()).status_code == 400
            tell(attacked, study, {"allowed_users": [me]})
            assert http.post("/task", json=study.task()).status_code == 201


@pytest.mark.parametrize("stolen", ["id", "name", "name in other letters"])
def test_organization_named_like_another_does_not_pass_a_node_s_policy(attacked: AttackedStack, stolen: str) -> None:
    study, friend = attacked.new_study(), attacked.new_study()
    with attacked.client(attacked.root) as root:
        name = str(root.get(f"/organization/{friend.organization}").json()["name"])
        tell(attacked, study, {"allowed_orgs": [friend.organization if stolen == "id" else name]})
        names = {"id": str(friend.organization), "name": name, "name in other letters": f" {name.upper()}"}
        assert root.patch(f"/organization/{study.organization}", json={"name": names[stolen]}).status_code == 200
    with attacker(attacked, researcher_of(attacked, study)) as http:
        assert http.post("/task", json=study.task()).status_code == 400


def admin_of(stack: AttackedStack, study: Study) -> str:
    """An administrator of the study's organization, with that built-in role."""
    name = unique("admin")
    with stack.client(stack.root) as root:
        roles = {role["name"]: role["id"] for role in root.get("/role").json()}
    person = {"username": name, "password": PASSWORD, "firstname": "", "lastname": "", "email": f"{name}@mail.example"}
    person |= {"organization_id": study.organization, "roles": [roles["Organization Admin"]]}
    made(stack, stack.root, "/user", person)
    return str(stack.sign_in(name)["access_token"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "", None),
        ("PATCH", "", {"rules": []}),
        ("PATCH", "", {"name": "taken"}),
        ("PATCH", "", {"description": "taken"}),
        ("DELETE", "/rule/{lacked}", None),
        ("DELETE", "/rule/{held}", None),
    ],
)
def test_organization_admin_cannot_touch_the_role_of_a_super_user(
    attacked: AttackedStack, method: str, path: str, body: Any
) -> None:
    study = attacked.new_study()
    with attacked.client(attacked.root) as root:
        rules = root.get("/rule").json()
        every = [rule["id"] for rule in rules]
        [lacked] = [rule["id"] for rule in rules if words(rule) == ("collaboration", "DELETE", "GLOBAL")]
        [held] = [rule["id"] for rule in rules if words(rule) == ("user", "VIEW", "ORGANIZATION")]
        super_role = {"name": "super", "description": "Super user", "organization_id": study.organization}
        role = made(attacked, attacked.root, "/role", super_role | {"rules": every})["id"]
        with attacker(attacked, admin_of(attacked, study)) as http:
            answer = http.request(method, f"/role/{role}{path.format(lacked=lacked, held=held)}", json=body)
        assert answer.status_code == 401, answer.text
        after = root.get(f"/role/{role}").json()
        assert (after["name"], after["description"]) == ("super", "Super user")
        assert {link["id"] for link in after["rules"]} == set(every)


def words(rule: dict[str, Any]) -> tuple[str, str, str]:
    return rule["name"], rule["operation"], rule["scope"]


def test_container_ends_with_its_node_s_new_key(attacked: AttackedStack) -> None:
    study = attacked.new_study()
    token, task = container_of(attacked, study)
    with attacker(attacked, token) as http:
        assert http.get(f"/task/{task['id']}").status_code == 200
        made(attacked, attacked.root, "/recover/node", {"id": study.node})
        refused = [
            http.get(path).status_code for path in (f"/task/{task['id']}", f"/organization/{study.organization}")
        ]
        refused.append(http.post("/task", json=study.task(organizations=[])).status_code)
    assert refused == [401, 401, 401]


@pytest.mark.parametrize("change", ["deleted", "moved"])
def test_container_ends_with_its_node(attacked: AttackedStack, change: str) -> None:
    study = attacked.new_study()
    token, task = container_of(attacked, study)
    further = joined(attacked, study)
    with attacked.client(attacked.root) as root, attacker(attacked, token) as http:
        assert http.get(f"/task/{task['id']}").status_code == 200
        if change == "deleted":
            assert root.delete(f"/node/{study.node}").status_code == 200
        else:
            assert root.patch(f"/node/{study.node}", json={"collaboration_id": further}).status_code == 200
        assert http.get(f"/task/{task['id']}").status_code == 401
        assert http.get(f"/organization/{study.organization}").status_code == 401


def test_container_sees_nothing_but_its_own_run(attacked: AttackedStack) -> None:
    study = attacked.new_study()
    second, stranger = sibling(attacked, study), attacked.new_study()
    partner = made(
        attacked, attacked.root, f"/collaboration/{second.collaboration}/organization", {"id": stranger.organization}
    )
    assert len(partner) == 2
    token, task = container_of(attacked, study)
    researcher = researcher_of(attacked, study)
    others = [made(attacked, researcher, "/task", one.task())["id"] for one in (study, second)]
    with attacker(attacked, token) as http:
        assert [one["id"] for one in http.get("/task").json()] == [task["id"]]
        assert [one["id"] for one in http.get("/result").json()] == [link["id"] for link in task["results"]]
        assert [http.get(f"/task/{other}").status_code for other in others] == [401, 401]
        assert [one["id"] for one in http.get("/organization").json()] == [study.organization]
        assert http.get("/organization", params={"collaboration_id": second.collaboration}).json() == []
        assert http.get(f"/organization/{stranger.organization}").status_code == 401
        assert http.get(f"/collaboration/{second.collaboration}").status_code == 401
        assert http.get(f"/collaboration/{second.collaboration}/organization").status_code == 401
        assert http.get(f"/node/{second.node}").status_code == 401
        single = http.get(f"/organization/{study.organization}").json()
        [listed] = http.get(f"/collaboration/{study.collaboration}/organization").json()
        for organization in (single, listed):
            assert seen_in(organization) == {
                "collaborations": [study.collaboration],
                "nodes": [study.node],
                "users": [],
                "results": [link["id"] for link in task["results"]],
                "roles": [],
            }
        collaboration = http.get(f"/collaboration/{study.collaboration}").json()
    assert [link["id"] for link in collaboration["tasks"]] == [task["id"]]


def seen_in(organization: Any) -> dict[str, list[int]]:
    """The ids of all that an organization links to."""
    seen: dict[str, list[int]] = {"roles": organization["roles"]}
    for key in ("collaborations", "nodes", "users", "results"):
        links: list[dict[str, int]] = organization[key] or []
        seen[key] = [link["id"] for link in links]
    return seen


def test_rule_for_tasks_does_not_open_their_results_nor_the_other_way_round(attacked: AttackedStack) -> None:
    study = attacked.new_study()
    task = made(attacked, researcher_of(attacked, study), "/task", study.task())
    [result] = [link["id"] for link in task["results"]]
    with attacker(attacked, holder_of(attacked, study, "task")) as http:
        assert http.get(f"/task/{task['id']}").status_code == 200
        for path in ("/task", f"/task/{task['id']}", f"/collaboration/{study.collaboration}/task"):
            assert http.get(path, params={"include": "results"}).status_code == 401
    with attacker(attacked, holder_of(attacked, study, "result")) as http:
        assert http.get(f"/result/{result}").status_code == 200
        for path in ("/result", f"/result/{result}"):
            assert http.get(path, params={"include": "task"}).status_code == 401


def holder_of(stack: AttackedStack, study: Study, resource: str) -> str:
    """A user of the study's organization who may see the organization's things of one kind, and nothing else."""
    name = unique("holder")
    with stack.client(stack.root) as root:
        rules = root.get("/rule", params={"name": resource, "operation": "VIEW", "scope": "ORGANIZATION"}).json()
    person = {"username": name, "password": PASSWORD, "firstname": "", "lastname": "", "email": f"{name}@mail.example"}
    made(
        stack,
        stack.root,
        "/user",
        person | {"organization_id": study.organization, "rules": [rule["id"] for rule in rules]},
    )
    return str(stack.sign_in(name)["access_token"])
