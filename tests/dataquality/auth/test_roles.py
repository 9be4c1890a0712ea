"""Routes below role: rest-api.md 2.5, permissions.md sections 4 and 5."""

from typing import Any

import pytest

from support.arrange import Arrangement, Grants
from support.services import Api, Services, unique

BUILT_IN = ["node", "container", "Root", "Viewer", "Researcher", "Organization Admin", "Collaboration Admin"]


@pytest.fixture
def root(there: Arrangement) -> Api:
    return there.signed_in(1)


@pytest.fixture
def foreign(there: Arrangement) -> int:
    """Another organization than the test's."""
    return there.organization()


def make_role(root: Api, organization: int | None = None, rules: list[int] | None = None, **more: Any) -> int:
    body = {"name": unique("role"), "description": "", "rules": rules or [], "organization_id": organization}
    return root.made("/role", body | more)["id"]


def ids(api: Api, path: str) -> set[int]:
    response = api.get(path)
    assert response.status_code == 200, response.text
    return {item["id"] for item in response.json()}


class TestShape:
    def test_a_role_in_the_shape_of_the_contract(self, there: Arrangement, organization: int, root: Api) -> None:
        name = unique("role")
        body = {"name": name, "description": "words", "rules": [7, 2], "organization_id": organization}
        response = root.post("/role", json=body)
        role = response.json()["id"]
        user = there.user(organization, roles=[role])
        assert response.status_code == 201
        assert root.get(f"/role/{role}").json() == {
            "id": role,
            "name": name,
            "description": "words",
            "organization": {
                "id": organization,
                "link": f"/api/organization/{organization}",
                "methods": ["GET", "PATCH"],
            },
            "rules": [
                {"id": 2, "link": "/api/rule/2", "methods": ["GET"]},
                {"id": 7, "link": "/api/rule/7", "methods": ["GET"]},
            ],
            "users": [{"id": user, "link": f"/api/user/{user}", "methods": ["GET", "PATCH", "DELETE"]}],
        }

    def test_empty_relations_are_null(self, root: Api) -> None:
        shown = root.get(f"/role/{make_role(root)}").json()
        assert (shown["rules"], shown["users"]) == (None, None)

    def test_users_are_the_newest_hundred(self, there: Arrangement, organization: int, root: Api) -> None:
        role = make_role(root)
        users = [there.user(organization, roles=[role]) for _ in range(102)]
        assert [user["id"] for user in root.get(f"/role/{role}").json()["users"]] == users[2:]

    def test_the_seven_built_in_roles_are_of_no_organization(self, root: Api) -> None:
        roles = {role["name"]: role for role in root.get("/role").json() if role["organization"] is None}
        assert roles.keys() >= set(BUILT_IN)
        counts = {name: len(roles[name]["rules"]) for name in BUILT_IN}
        assert counts == {
            "node": 9,
            "container": 7,
            "Root": 53,
            "Viewer": 12,
            "Researcher": 14,
            "Organization Admin": 24,
            "Collaboration Admin": 37,
        }


class TestList:
    def test_by_scope(self, there: Arrangement, organization: int, foreign: int, root: Api) -> None:
        mine, theirs, held = make_role(root, organization), make_role(root, foreign), make_role(root, foreign)
        built_in = there.role_id("Viewer")
        everyone = there.caller(organization, [("role", "VIEW", "GLOBAL")], [held])
        own = there.caller(organization, [("role", "VIEW", "ORGANIZATION")], [held])
        nothing = there.caller(organization, [], [held])
        assert ids(everyone, "/role") >= {mine, theirs, held, built_in}
        seen = ids(own, "/role")
        assert seen >= {mine, held, built_in}
        assert theirs not in seen
        assert ids(nothing, "/role") == {held}

    def test_whoever_has_neither_rule_nor_role_gets_an_empty_list(self, there: Arrangement, organization: int) -> None:
        response = there.caller(organization).get("/role")
        assert (response.status_code, response.json()) == (200, [])

    def test_repeated_patterns_are_alternatives(self, root: Api, organization: int) -> None:
        names = [unique("role") for _ in range(3)]
        first, second, _ = [make_role(root, organization, name=name, description=name[::-1]) for name in names]
        assert ids(root, f"/role?name={names[0].upper()}&name={names[1]}") == {first, second}
        assert ids(root, f"/role?description={names[0][::-1]}") == {first}
        assert ids(root, f"/role?name={names[0]}&description={names[1][::-1]}") == set()

    def test_organizations_and_those_of_none(self, root: Api, organization: int, foreign: int) -> None:
        mine, theirs = make_role(root, organization), make_role(root, foreign)
        assert ids(root, f"/role?organization_id={organization}&organization_id={foreign}") == {mine, theirs}
        with_root = root.get(f"/role?organization_id={organization}&include_root=True").json()
        assert {role["name"] for role in with_root} >= set(BUILT_IN)
        assert mine in {role["id"] for role in with_root}
        assert theirs not in {role["id"] for role in with_root}

    def test_rule_and_user_filter(self, there: Arrangement, root: Api, organization: int) -> None:
        with_rule, of_user = make_role(root, organization, [11]), make_role(root, organization)
        user = there.user(organization, roles=[of_user])
        assert ids(root, f"/role?rule_id=11&organization_id={organization}") == {with_rule}
        assert ids(root, f"/role?user_id={user}") == {of_user}

    def test_pages(self, root: Api, organization: int) -> None:
        roles = [make_role(root, organization) for _ in range(3)]
        response = root.get(f"/role?organization_id={organization}&page=2&per_page=2&include=metadata")
        assert [role["id"] for role in response.json()["data"]] == roles[2:]
        assert response.headers["total-count"] == "3"

    @pytest.mark.parametrize("query", ["page=0", "organization_id=x", "rule_id=x", "user_id=0"])
    def test_a_bad_query_is_a_bad_request(self, root: Api, query: str) -> None:
        assert root.get(f"/role?{query}").status_code == 400


class TestGet:
    def test_by_scope(self, there: Arrangement, organization: int, foreign: int, root: Api) -> None:
        mine, theirs, held = make_role(root, organization), make_role(root, foreign), make_role(root, foreign)
        roles = (mine, theirs, held, there.role_id("Viewer"))

        def answers(grants: Grants) -> list[int]:
            api = there.caller(organization, grants, [held])
            return [api.get(f"/role/{role}").status_code for role in roles]

        assert answers([("role", "VIEW", "GLOBAL")]) == [200, 200, 200, 200]
        assert answers([("role", "VIEW", "ORGANIZATION")]) == [200, 401, 200, 401]
        assert answers([]) == [401, 401, 200, 401]

    @pytest.mark.parametrize("path", ["/role/2000000000", "/role/2000000000/rule", "/role/x"])
    def test_an_unknown_id_is_a_404_before_the_permission(
        self, there: Arrangement, organization: int, path: str
    ) -> None:
        assert there.caller(organization).get(path).status_code == 404


class TestCreate:
    @pytest.mark.parametrize(
        ("grants", "own", "other"),
        [
            ([("role", "CREATE", "GLOBAL")], 201, 201),
            ([("role", "CREATE", "ORGANIZATION")], 201, 401),
            ([("role", "EDIT", "GLOBAL")], 401, 401),
        ],
    )
    def test_by_scope(
        self, there: Arrangement, organization: int, foreign: int, grants: Grants, own: int, other: int
    ) -> None:
        api = there.caller(organization, grants)
        body = {"name": unique("role"), "description": "", "rules": None, "organization_id": None}
        response = api.post("/role", json=body)
        assert response.status_code == own
        if own == 201:
            assert response.json()["organization"]["id"] == organization
        assert api.post("/role", json=body | {"organization_id": foreign}).status_code == other

    @pytest.mark.parametrize("name", BUILT_IN)
    def test_the_names_of_built_in_roles_are_reserved(self, root: Api, name: str) -> None:
        assert root.post("/role", json={"name": name, "description": ""}).status_code == 400

    def test_an_unknown_rule_or_organization_is_a_404(self, root: Api) -> None:
        body = {"name": unique("role"), "description": ""}
        assert root.post("/role", json=body | {"rules": [2_000_000_000]}).status_code == 404
        assert root.post("/role", json=body | {"organization_id": 2_000_000_000}).status_code == 404

    def test_nobody_gives_a_rule_that_they_lack(self, there: Arrangement, organization: int) -> None:
        api = there.caller(organization, [("role", "CREATE", "ORGANIZATION"), ("node", "VIEW", "GLOBAL")])
        body = {"name": unique("role"), "description": ""}
        assert api.post("/role", json=body | {"rules": [1]}).status_code == 201
        response = api.post("/role", json=body | {"rules": [1, 3]})
        assert response.status_code == 401
        assert "edit node at scope global" in response.json()["msg"]

    @pytest.mark.parametrize("field", ["name", "description"])
    @pytest.mark.parametrize("value", [None, 7, "absent"])
    def test_a_missing_or_ill_typed_field_is_named(self, root: Api, field: str, value: object) -> None:
        body: dict[str, object] = {"name": unique("role"), "description": ""} | {field: value}
        if value == "absent":
            del body[field]
        response = root.post("/role", json=body)
        assert response.status_code == 400
        assert response.json()["message"].keys() == {field}

    @pytest.mark.parametrize("rules", ["1", [None], ["1"], [1.5], {}])
    def test_ill_typed_rules_are_a_bad_request(self, root: Api, rules: object) -> None:
        body = {"name": unique("role"), "description": "", "rules": rules}
        assert root.post("/role", json=body).status_code == 400


class TestUpdate:
    def test_what_is_given_changes_and_null_does_not(self, root: Api, organization: int) -> None:
        before = root.get(f"/role/{make_role(root, organization, [1])}").json()
        role = before["id"]
        nulls = {"name": None, "description": None, "rules": None}
        assert root.patch(f"/role/{role}", json=nulls).json() == before
        assert root.patch(f"/role/{role}", json=nulls | {"description": "new"}).json()["description"] == "new"
        changed = root.patch(f"/role/{role}", json={"rules": [3, 2]}).json()
        assert [rule["id"] for rule in changed["rules"]] == [2, 3]
        assert root.patch(f"/role/{role}", json={"rules": []}).json()["rules"] is None

    @pytest.mark.parametrize(
        ("scope", "own", "other", "of_none"),
        [("GLOBAL", 200, 200, 200), ("ORGANIZATION", 200, 401, 401), (None, 401, 401, 401)],
    )
    def test_by_scope(
        self,
        there: Arrangement,
        organization: int,
        foreign: int,
        root: Api,
        scope: str | None,
        own: int,
        other: int,
        of_none: int,
    ) -> None:
        roles = (make_role(root, organization), make_role(root, foreign), there.global_role(unique("global")))
        api = there.caller(organization, [("role", "EDIT", scope)] if scope else [])
        answers = [api.patch(f"/role/{role}", json={"description": "x"}).status_code for role in roles]
        assert answers == [own, other, of_none]

    def test_built_in_roles_do_not_change(self, there: Arrangement, organization: int, root: Api) -> None:
        admin = there.caller(organization, roles=[there.role_id("Organization Admin")])
        for name in BUILT_IN:
            role = there.role_id(name)
            assert root.patch(f"/role/{role}", json={"description": "x"}).status_code == 400
            assert root.post(f"/role/{role}/rule/1").status_code == 400
            assert root.delete(f"/role/{role}/rule/2").status_code == 400
            assert root.delete(f"/role/{role}").status_code == 400
            assert admin.patch(f"/role/{role}", json={"description": "x"}).status_code == 401
            assert admin.delete(f"/role/{role}").status_code == 401

    def test_a_reserved_name_is_a_bad_request(self, root: Api) -> None:
        assert root.patch(f"/role/{make_role(root)}", json={"name": "Root"}).status_code == 400

    def test_an_unknown_role_or_rule_is_a_404(self, there: Arrangement, organization: int, root: Api) -> None:
        assert there.caller(organization).patch("/role/2000000000", json={}).status_code == 404
        assert root.patch(f"/role/{make_role(root)}", json={"rules": [2_000_000_000]}).status_code == 404

    def test_every_rule_of_the_old_and_the_new_set_must_be_held(
        self, there: Arrangement, organization: int, root: Api
    ) -> None:
        api = there.caller(organization, [("role", "EDIT", "ORGANIZATION"), ("node", "VIEW", "GLOBAL")])
        role, own = make_role(root, organization, [1, 3]), make_role(root, organization, [1])
        for change in ({"rules": [1, 3]}, {"rules": [1]}, {"name": unique("role")}, {"description": "other"}):
            assert api.patch(f"/role/{role}", json=change).status_code == 401
        assert api.patch(f"/role/{own}", json={"rules": [1, 3]}).status_code == 401
        assert api.patch(f"/role/{own}", json={"rules": []}).status_code == 200

    def test_the_change_works_at_once(self, there: Arrangement, organization: int, root: Api) -> None:
        role = make_role(root, organization, [there.rule("user", "VIEW", "ORGANIZATION")])
        api = there.caller(organization, roles=[role])
        assert api.get("/user").status_code == 200
        root.patch(f"/role/{role}", json={"rules": []})
        assert api.get("/user").status_code == 401


class TestDelete:
    @pytest.mark.parametrize(
        ("scope", "own", "other", "of_none"),
        [("GLOBAL", 200, 200, 200), ("ORGANIZATION", 200, 401, 401), (None, 401, 401, 401)],
    )
    def test_by_scope(
        self,
        there: Arrangement,
        organization: int,
        foreign: int,
        root: Api,
        scope: str | None,
        own: int,
        other: int,
        of_none: int,
    ) -> None:
        roles = (make_role(root, organization), make_role(root, foreign), there.global_role(unique("global")))
        api = there.caller(organization, [("role", "DELETE", scope)] if scope else [])
        assert [api.delete(f"/role/{role}").status_code for role in roles] == [own, other, of_none]

    def test_a_deleted_role_is_taken_from_all(self, there: Arrangement, organization: int, root: Api) -> None:
        role = make_role(root, organization, [there.rule("user", "VIEW", "ORGANIZATION")])
        user = there.user(organization, roles=[role])
        assert isinstance(root.delete(f"/role/{role}").json()["msg"], str)
        assert root.get(f"/role/{role}").status_code == 404
        assert root.get(f"/user/{user}").json()["roles"] is None
        assert there.signed_in(user).get("/user").status_code == 401


class TestRules:
    def test_the_rules_in_a_role_by_scope(self, there: Arrangement, organization: int, foreign: int, root: Api) -> None:
        held = make_role(root, foreign, [1])
        roles = (make_role(root, organization, [1]), held)

        def answers(grants: Grants) -> list[int]:
            api = there.caller(organization, grants, [held])
            return [api.get(f"/role/{role}/rule").status_code for role in roles]

        assert answers([("role", "VIEW", "GLOBAL")]) == [200, 200]
        assert answers([("role", "VIEW", "ORGANIZATION")]) == [200, 401]

    def test_the_rules_in_a_role_come_in_pages(self, root: Api) -> None:
        role = make_role(root, None, [5, 3, 1])
        response = root.get(f"/role/{role}/rule?page=1&per_page=2")
        assert [rule["id"] for rule in response.json()] == [1, 3]
        assert response.headers["total-count"] == "3"
        assert response.json()[0].keys() == {"id", "name", "scope", "operation", "description", "users"}

    def test_adding_answers_the_list_and_may_be_repeated(self, root: Api) -> None:
        role = make_role(root, None, [1])
        for _ in range(2):
            response = root.post(f"/role/{role}/rule/2")
            assert response.status_code == 201
            assert [rule["id"] for rule in response.json()] == [1, 2]
        assert ids(root, f"/role/{role}/rule") == {1, 2}

    def test_removing_answers_the_list_and_lasts(self, root: Api) -> None:
        role = make_role(root, None, [1, 2])
        response = root.delete(f"/role/{role}/rule/1")
        assert (response.status_code, [rule["id"] for rule in response.json()]) == (200, [2])
        assert ids(root, f"/role/{role}/rule") == {2}
        assert root.delete(f"/role/{role}/rule/1").status_code == 404

    @pytest.mark.parametrize("path", ["/role/2000000000/rule/1", "/role/{role}/rule/2000000000"])
    def test_unknown_roles_and_rules_are_a_404(self, root: Api, path: str) -> None:
        path = path.format(role=make_role(root, None, [1]))
        assert root.post(path).status_code == 404
        assert root.delete(path).status_code == 404

    def test_every_rule_of_the_role_and_the_new_one_must_be_held(
        self, there: Arrangement, organization: int, root: Api
    ) -> None:
        grants = [("role", "EDIT", "ORGANIZATION"), ("role", "DELETE", "ORGANIZATION"), ("node", "VIEW", "GLOBAL")]
        api = there.caller(organization, grants)
        role = make_role(root, organization, [1, 3])
        assert api.post(f"/role/{role}/rule/5").status_code == 401
        assert api.delete(f"/role/{role}/rule/3").status_code == 401
        assert api.delete(f"/role/{role}/rule/1").status_code == 401
        own = make_role(root, organization, [1])
        assert api.post(f"/role/{own}/rule/3").status_code == 401
        assert api.delete(f"/role/{own}/rule/1").status_code == 200
        assert api.post(f"/role/{own}/rule/1").status_code == 201

    def test_adding_needs_edit_and_removing_needs_delete(
        self, there: Arrangement, organization: int, foreign: int, root: Api
    ) -> None:
        role, theirs = make_role(root, organization, [1]), make_role(root, foreign, [1])
        held = ("node", "VIEW", "GLOBAL")
        editor = there.caller(organization, [("role", "EDIT", "ORGANIZATION"), held])
        deleter = there.caller(organization, [("role", "DELETE", "ORGANIZATION"), held])
        assert editor.delete(f"/role/{role}/rule/1").status_code == 401
        assert deleter.post(f"/role/{role}/rule/1").status_code == 401
        assert editor.post(f"/role/{theirs}/rule/1").status_code == 401
        assert deleter.delete(f"/role/{theirs}/rule/1").status_code == 401
        assert deleter.delete(f"/role/{role}/rule/1").status_code == 200


def test_changes_are_in_the_audit_trail(services: Services, there: Arrangement, root: Api) -> None:
    role = make_role(root)
    root.patch(f"/role/{role}", json={"rules": [1]})
    root.post(f"/role/{role}/rule/2")
    root.delete(f"/role/{role}/rule/2")
    root.delete(f"/role/{role}")
    rows = there.rows("SELECT action FROM audit WHERE subject_type = 'role' AND subject_id = :id ORDER BY id", id=role)
    actions = ["role_created", "role_changed", "role_rule_added", "role_rule_removed", "role_deleted"]
    assert [row["action"] for row in rows] == actions
