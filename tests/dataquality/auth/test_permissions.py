"""The internal route that tells other services what somebody may do, and what makes rights change at once."""

from typing import Any

import httpx
import pytest

from support.arrange import Arrangement
from support.services import Api, Services, unique


def ask(services: Services, there: Arrangement, kind: str, identity: int, token: str | None = None) -> httpx.Response:
    return httpx.get(
        f"{services.addresses['auth']}/internal/permissions/{kind}/{identity}",
        headers={"Authorization": f"Bearer {token or there.service_token()}"},
        trust_env=False,
        timeout=30,
    )


def rights(services: Services, there: Arrangement, user: int) -> dict[str, Any]:
    response = ask(services, there, "user", user)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_users_rights_are_those_of_the_roles_and_of_the_rules(
    services: Services, there: Arrangement, organization: int
) -> None:
    user = there.user(organization, grants=[("node", "DELETE", "GLOBAL")], roles=[there.role_id("Viewer")])
    answer = rights(services, there, user)
    assert isinstance(answer["stamp"], int)
    assert "node:glo:d" in answer["grants"]
    assert "user:org:v" in answer["grants"]
    assert len(answer["grants"]) == 13


def test_a_user_without_anything_has_no_rights(services: Services, there: Arrangement, organization: int) -> None:
    assert rights(services, there, there.user(organization))["grants"] == []


@pytest.mark.parametrize(("kind", "count"), [("node", 9), ("container", 7)])
def test_nodes_and_containers_have_the_rights_of_their_roles(
    services: Services, there: Arrangement, organization: int, kind: str, count: int
) -> None:
    node = there.node(organization, there.collaboration(organization), unique("key"))
    answer = ask(services, there, kind, node).json()
    assert len(answer["grants"]) == count
    assert ("node:org:e" in answer["grants"]) == (kind == "node")


def test_a_role_of_an_organization_named_node_gives_nodes_nothing(
    services: Services, there: Arrangement, organization: int
) -> None:
    role = there.global_role("node")
    there.run("UPDATE role SET organization_id = :org WHERE id = :id", org=organization, id=role)
    there.run(
        "INSERT INTO role_rule_association (role_id, rule_id) VALUES (:role, :rule)",
        role=role,
        rule=there.rule("task", "CREATE", "GLOBAL"),
    )
    node = there.node(organization, there.collaboration(organization), unique("key"))
    assert len(ask(services, there, "node", node).json()["grants"]) == 9


@pytest.mark.parametrize("kind", ["user", "node", "container"])
def test_whoever_is_not_there_is_a_404(services: Services, there: Arrangement, kind: str) -> None:
    assert ask(services, there, kind, 2_000_000_000).status_code == 404


def test_a_users_id_is_no_nodes(services: Services, there: Arrangement, organization: int) -> None:
    assert ask(services, there, "node", there.user(organization)).status_code == 404


def test_only_our_own_services_may_ask(services: Services, there: Arrangement) -> None:
    url = f"{services.addresses['auth']}/internal/permissions/user/1"
    assert httpx.get(url, trust_env=False, timeout=30).status_code == 401
    for token in (there.token(1, "user"), there.service_token("password reset")):
        assert ask(services, there, "user", 1, token).status_code in (401, 422)


def test_the_route_is_not_below_the_api_path(services: Services) -> None:
    assert services.login("root", "root").request("GET", "/user/../internal/permissions/user/1").status_code == 404


def test_a_change_of_a_users_roles_changes_the_stamp(services: Services, there: Arrangement, organization: int) -> None:
    user, root = there.user(organization), there.signed_in(1)
    stamps = [rights(services, there, user)["stamp"]]
    for body in ({"roles": [there.role_id("Viewer")]}, {"rules": [1]}, {"firstname": "Ada"}):
        root.patch(f"/user/{user}", json=body)
        stamps.append(rights(services, there, user)["stamp"])
    assert len(set(stamps[:3])) == 3
    assert stamps[3] == stamps[2]


def test_a_change_of_a_role_changes_the_stamps_of_those_who_have_it(
    services: Services, there: Arrangement, organization: int
) -> None:
    root = there.signed_in(1)
    role = root.made("/role", {"name": unique("role"), "description": "", "rules": [1]})["id"]
    holder, other = there.user(organization, roles=[role]), there.user(organization)
    before, seen = rights(services, there, other), [rights(services, there, holder)]
    for method, path, body in (
        ("PATCH", f"/role/{role}", {"rules": [1, 2]}),
        ("POST", f"/role/{role}/rule/3", None),
        ("DELETE", f"/role/{role}/rule/1", None),
        ("DELETE", f"/role/{role}", None),
    ):
        root.request(method, path, json=body)
        seen.append(rights(services, there, holder))
    assert len({one["stamp"] for one in seen}) == 5
    assert [one["grants"] for one in seen[3:]] == [["node:glo:e", "node:org:v"], []]
    assert rights(services, there, other) == before


def test_what_changes_nothing_leaves_the_stamp(services: Services, there: Arrangement, organization: int) -> None:
    root = there.signed_in(1)
    role = root.made("/role", {"name": unique("role"), "description": "", "rules": [1]})["id"]
    holder = there.user(organization, roles=[role])
    before = rights(services, there, holder)
    root.patch(f"/role/{role}", json={"rules": [1], "description": "new"})
    root.post(f"/role/{role}/rule/1")
    assert rights(services, there, holder) == before


def test_a_revoked_rule_stops_working_at_once(services: Services, there: Arrangement, organization: int) -> None:
    user = there.user(organization, grants=[("user", "VIEW", "ORGANIZATION")])
    api = there.signed_in(user)
    assert api.get("/user").status_code == 200
    there.signed_in(1).patch(f"/user/{user}", json={"rules": []})
    assert api.get("/user").status_code == 401


def test_a_token_of_another_secret_is_unprocessable(services: Services, there: Arrangement) -> None:
    header, payload, _ = there.token(1, "user").split(".")
    assert Api(services.addresses, f"{header}.{payload}.{'x' * 43}").get("/rule").status_code == 422
