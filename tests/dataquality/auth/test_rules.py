"""Routes below rule (rest-api.md 2.5), and the rules themselves (permissions.md section 2)."""

import pytest

from support.arrange import Arrangement
from support.services import Api, Services

_TABLE = """
node VIEW GLOBAL ORGANIZATION
node EDIT GLOBAL ORGANIZATION
node CREATE GLOBAL ORGANIZATION
node DELETE GLOBAL ORGANIZATION
collaboration VIEW GLOBAL ORGANIZATION
collaboration EDIT GLOBAL
collaboration CREATE GLOBAL
collaboration DELETE GLOBAL
organization VIEW GLOBAL ORGANIZATION COLLABORATION
organization EDIT GLOBAL ORGANIZATION
organization CREATE GLOBAL
task VIEW GLOBAL ORGANIZATION
task CREATE GLOBAL ORGANIZATION
task DELETE GLOBAL ORGANIZATION
result VIEW GLOBAL ORGANIZATION
user VIEW GLOBAL ORGANIZATION
user CREATE GLOBAL ORGANIZATION
user EDIT GLOBAL ORGANIZATION OWN
user DELETE GLOBAL ORGANIZATION OWN
role VIEW GLOBAL ORGANIZATION
role CREATE GLOBAL ORGANIZATION
role EDIT GLOBAL ORGANIZATION
role DELETE GLOBAL ORGANIZATION
port VIEW GLOBAL ORGANIZATION
event VIEW ORGANIZATION COLLABORATION GLOBAL
event CREATE ORGANIZATION COLLABORATION GLOBAL
"""
RULES = [
    (name, operation, scope)
    for name, operation, *scopes in (line.split() for line in _TABLE.strip().splitlines())
    for scope in scopes
]


@pytest.fixture
def api(there: Arrangement, organization: int) -> Api:
    """A user without any rule."""
    return there.caller(organization)


def test_every_user_sees_all_53_rules_in_the_order_of_the_contract(api: Api) -> None:
    shown = api.get("/rule").json()
    assert [(rule["name"], rule["operation"], rule["scope"]) for rule in shown] == RULES
    assert [rule["id"] for rule in shown] == list(range(1, 54))


def test_a_rule_in_the_shape_of_the_contract(there: Arrangement, organization: int, api: Api) -> None:
    rule = there.rule("event", "CREATE", "COLLABORATION")
    user = there.user(organization, grants=[("event", "CREATE", "COLLABORATION")])
    shown = api.get(f"/rule/{rule}").json()
    assert (shown["id"], shown["name"]) == (rule, "event")
    assert (shown["scope"], shown["operation"]) == ("COLLABORATION", "CREATE")
    assert isinstance(shown["description"], str)
    assert shown["users"][-1] == {"id": user, "link": f"/api/user/{user}", "methods": ["GET", "PATCH", "DELETE"]}


def test_filters_are_equalities(there: Arrangement, api: Api) -> None:
    shown = api.get("/rule?name=user&operation=EDIT&scope=OWN").json()
    assert [(rule["name"], rule["operation"], rule["scope"]) for rule in shown] == [("user", "EDIT", "OWN")]
    assert api.get("/rule?name=use%25").json() == []
    in_role = api.get(f"/rule?role_id={there.role_id('container')}").json()
    assert len(in_role) == 7


@pytest.mark.parametrize("query", ["operation=view", "operation=v", "scope=glo", "role_id=x", "page=-1"])
def test_a_bad_query_is_a_bad_request(api: Api, query: str) -> None:
    assert api.get(f"/rule?{query}").status_code == 400


def test_pages(api: Api) -> None:
    response = api.get("/rule?page=6&include=metadata")
    assert [rule["id"] for rule in response.json()["data"]] == [51, 52, 53]
    assert response.headers["total-count"] == "53"


def test_an_unknown_rule_is_a_404(api: Api) -> None:
    assert api.get("/rule/54321").status_code == 404


@pytest.mark.parametrize("path", ["/rule", "/rule/1"])
def test_without_a_token_it_is_unauthorized(services: Services, path: str) -> None:
    assert services.anyone.get(path).status_code == 401


@pytest.mark.parametrize(("method", "path"), [("POST", "/rule"), ("PATCH", "/rule/1"), ("DELETE", "/rule/1")])
def test_rules_are_not_made_or_changed_here(there: Arrangement, method: str, path: str) -> None:
    assert there.signed_in(1).request(method, path, json={}).status_code == 405
