"""Routes below user: rest-api.md 2.4, permissions.md sections 4 and 5."""

from typing import Any

import pytest

from support.arrange import PASSWORD, Arrangement, Grants, at_once
from support.services import Api, Services, unique
from support.tokens import claims_of


def new_user(**differing: Any) -> dict[str, Any]:
    name = unique("ada")
    return {
        "username": name,
        "firstname": "Ada",
        "lastname": "Lovelace",
        "password": PASSWORD,
        "email": f"{name}@mail.org",
    } | differing


@pytest.fixture
def root(there: Arrangement) -> Api:
    return there.signed_in(1)


@pytest.fixture
def foreign(there: Arrangement) -> int:
    """Another organization than the test's."""
    return there.organization()


UNCLEAR = {
    " root": "a blank at its beginning",
    "root ": "a blank at its end",
    "ro\u200bot": "U+200B (zero width space), its character 3",
    "root\u202e": "U+202E (right-to-left override)",
    "ro\tot": "U+0009",
    "ro\u00a0ot": "U+00A0",
    "\u3164": "U+3164",
}
"""Names that a person takes for another's, and what is to be said of them."""


class TestShape:
    def test_a_user_in_the_shape_of_the_contract(self, there: Arrangement, organization: int, root: Api) -> None:
        role = there.role_id("Viewer")
        wanted = new_user(organization_id=organization, roles=[role], rules=[5, 4])
        response = root.post("/user", json=wanted)
        made = response.json()
        assert response.status_code == 201
        assert made == {
            "id": made["id"],
            "type": "user",
            "username": wanted["username"],
            "firstname": "Ada",
            "lastname": "Lovelace",
            "email": wanted["email"],
            "ip": None,
            "status": None,
            "last_seen": None,
            "organization": {
                "id": organization,
                "link": f"/api/organization/{organization}",
                "methods": ["GET", "PATCH"],
            },
            "roles": [{"id": role, "link": f"/api/role/{role}", "methods": ["GET", "PATCH", "DELETE"]}],
            "rules": [
                {"id": 4, "link": "/api/rule/4", "methods": ["GET"]},
                {"id": 5, "link": "/api/rule/5", "methods": ["GET"]},
            ],
            "created_tasks": [],
        }
        assert root.get(f"/user/{made['id']}").json() == made

    def test_links_are_null_when_there_are_none(self, there: Arrangement, organization: int, root: Api) -> None:
        shown = root.get(f"/user/{there.user(organization)}").json()
        assert (shown["roles"], shown["rules"]) == (None, None)

    def test_created_tasks_are_the_newest_hundred(self, there: Arrangement, organization: int, root: Api) -> None:
        user, collaboration = there.user(organization), there.collaboration(organization)
        tasks = [there.task(collaboration, init_user=user) for _ in range(102)]
        assert root.get(f"/user/{user}").json()["created_tasks"] == tasks[2:]


class TestList:
    def names(self, api: Api, query: str) -> list[str]:
        response = api.get(f"/user?{query}")
        assert response.status_code == 200, response.text
        return [user["username"] for user in response.json()]

    def test_global_sees_all_and_organization_its_own(
        self, there: Arrangement, organization: int, foreign: int
    ) -> None:
        there.user(foreign)
        everyone = there.caller(organization, [("user", "VIEW", "GLOBAL")]).get("/user").json()
        own = there.caller(organization, [("user", "VIEW", "ORGANIZATION")]).get("/user").json()
        assert {user["organization"]["id"] for user in own} == {organization}
        assert {user["organization"]["id"] for user in everyone} >= {organization, foreign, 1}

    def test_without_a_rule_it_is_unauthorized(self, there: Arrangement, organization: int) -> None:
        assert there.caller(organization).get("/user").status_code == 401

    def test_texts_are_patterns_without_case(self, there: Arrangement, organization: int, root: Api) -> None:
        name = unique("Grace")
        there.user(organization, username=name)
        assert self.names(root, f"username={name.upper()}") == [name]
        assert self.names(root, f"username=%25{name[3:]}") == [name]
        assert self.names(root, f"username={name[:-1]}_") == [name]
        assert self.names(root, f"username={name[3:]}") == []
        assert self.names(root, f"email={name}@%25") == [name]

    def test_first_and_last_name_filter(self, organization: int, root: Api) -> None:
        made = root.made("/user", new_user(firstname=unique("first"), lastname=unique("last")))
        assert self.names(root, f"firstname={made['firstname']}") == [made["username"]]
        assert self.names(root, f"lastname={made['lastname']}&firstname=x") == []

    def test_organization_role_and_rule_filter(self, there: Arrangement, organization: int, root: Api) -> None:
        role = root.made("/role", {"name": unique("role"), "description": ""})["id"]
        with_role, with_rule = unique("role"), unique("rule")
        there.user(organization, username=with_role, roles=[role])
        there.user(organization, username=with_rule, grants=[("node", "VIEW", "GLOBAL")])
        assert self.names(root, f"organization_id={organization}") == [with_role, with_rule]
        assert self.names(root, f"role_id={role}") == [with_role]
        assert self.names(root, f"rule_id=1&organization_id={organization}") == [with_rule]

    def test_last_seen_filter(self, there: Arrangement, organization: int, root: Api) -> None:
        name = unique("seen")
        user = there.user(organization, username=name)
        there.run("UPDATE authenticatable SET last_seen = '2020-02-29 12:00:00.000000' WHERE id = :id", id=user)
        query = f"organization_id={organization}"
        assert self.names(root, f"{query}&last_seen_from=2020-02-29&last_seen_till=2020-02-29") == [name]
        assert self.names(root, f"{query}&last_seen_from=2020-03-01") == []
        assert self.names(root, f"{query}&last_seen_till=2020-02-28") == []

    def test_pages_with_headers_and_envelope(self, there: Arrangement, organization: int, root: Api) -> None:
        users = [there.user(organization) for _ in range(5)]
        query = f"organization_id={organization}&per_page=2&include=metadata"
        response = root.get(f"/user?{query}&page=2")
        assert [user["id"] for user in response.json()["data"]] == users[2:4]
        assert response.headers["total-count"] == "5"
        assert response.json()["links"].keys() == {"first", "previous", "self", "next", "last"}
        assert root.get(f"/user?{query}&page=9").json()["data"] == []

    def test_without_a_page_all_come_in_the_order_of_ids(
        self, there: Arrangement, organization: int, root: Api
    ) -> None:
        users = [there.user(organization) for _ in range(12)]
        shown = root.get(f"/user?organization_id={organization}").json()
        assert [user["id"] for user in shown] == users

    @pytest.mark.parametrize(
        "query", ["page=0", "page=x", "role_id=x", "organization_id=99999999999", "last_seen_from=yesterday"]
    )
    def test_a_bad_query_is_a_bad_request(self, root: Api, query: str) -> None:
        response = root.get(f"/user?{query}")
        assert response.status_code == 400
        assert isinstance(response.json()["msg"], str)


class TestGet:
    def test_oneself_without_any_rule(self, there: Arrangement, organization: int) -> None:
        user = there.user(organization)
        assert there.signed_in(user).get(f"/user/{user}").json()["id"] == user

    @pytest.mark.parametrize(
        ("scope", "colleague", "stranger"), [("GLOBAL", 200, 200), ("ORGANIZATION", 200, 401), (None, 401, 401)]
    )
    def test_others_by_scope(
        self,
        there: Arrangement,
        organization: int,
        foreign: int,
        scope: str | None,
        colleague: int,
        stranger: int,
    ) -> None:
        api = there.caller(organization, [("user", "VIEW", scope)] if scope else [])
        assert api.get(f"/user/{there.user(organization)}").status_code == colleague
        assert api.get(f"/user/{there.user(foreign)}").status_code == stranger

    def test_an_unknown_id_is_a_404_before_the_permission(self, there: Arrangement, organization: int) -> None:
        for identity in (2_000_000_000, 2**31, 2**70):
            assert there.caller(organization).get(f"/user/{identity}").status_code == 404

    def test_a_nodes_id_is_no_users(self, there: Arrangement, organization: int, root: Api) -> None:
        node = there.node(organization, there.collaboration(organization), unique("key"))
        assert root.get(f"/user/{node}").status_code == 404


class TestCreate:
    def test_a_new_user_can_sign_in(self, services: Services, root: Api) -> None:
        wanted = new_user()
        made = root.made("/user", wanted)
        api = services.login(wanted["username"], PASSWORD)
        assert claims_of(api.tokens["access_token"])["sub"] == made["id"]

    def test_the_callers_organization_is_the_default(self, there: Arrangement, organization: int) -> None:
        api = there.caller(organization, [("user", "CREATE", "ORGANIZATION")])
        made = api.made("/user", new_user(organization_id=None, roles=[], rules=[]))
        assert made["organization"]["id"] == organization

    @pytest.mark.parametrize(
        ("grants", "own", "other"),
        [
            ([("user", "CREATE", "GLOBAL")], 201, 201),
            ([("user", "CREATE", "ORGANIZATION")], 201, 401),
            ([("user", "EDIT", "GLOBAL")], 401, 401),
        ],
    )
    def test_by_scope(
        self, there: Arrangement, organization: int, foreign: int, grants: Grants, own: int, other: int
    ) -> None:
        api = there.caller(organization, grants)
        assert api.post("/user", json=new_user()).status_code == own
        assert api.post("/user", json=new_user(organization_id=foreign)).status_code == other

    @pytest.mark.parametrize("field", ["username", "firstname", "lastname", "password", "email"])
    @pytest.mark.parametrize("value", [None, 7, "absent"])
    def test_a_missing_or_ill_typed_field_is_named(self, root: Api, field: str, value: object) -> None:
        body = new_user(**{field: value})
        if value == "absent":
            del body[field]
        response = root.post("/user", json=body)
        assert response.status_code == 400
        assert isinstance(response.json()["msg"], str)
        assert response.json()["message"].keys() == {field}

    @pytest.mark.parametrize("field", ["username", "email"])
    def test_a_taken_name_or_address_is_a_bad_request(self, root: Api, field: str) -> None:
        first = root.made("/user", new_user())
        response = root.post("/user", json=new_user(**{field: first[field]}))
        assert response.status_code == 400
        assert response.json()["message"].keys() == {field}

    def test_a_weak_password_is_a_bad_request(self, root: Api) -> None:
        response = root.post("/user", json=new_user(password="password"))
        assert response.status_code == 400
        assert "password" in response.json()["message"]

    @pytest.mark.parametrize(("name", "problem"), UNCLEAR.items())
    def test_a_name_that_looks_like_another_is_refused(self, root: Api, name: str, problem: str) -> None:
        response = root.post("/user", json=new_user(username=name))
        assert response.status_code == 400
        assert problem in response.json()["message"]["username"]
        assert root.get("/user", params={"username": name}).json() == []

    def test_a_text_that_cannot_be_stored_is_a_bad_request(self, root: Api) -> None:
        assert root.post("/user", json=new_user(firstname="a\x00b")).status_code == 400

    def test_an_unknown_organization_is_a_404(self, root: Api) -> None:
        assert root.post("/user", json=new_user(organization_id=2_000_000_000)).status_code == 404

    def test_unknown_roles_and_rules_are_skipped(self, root: Api) -> None:
        made = root.made("/user", new_user(roles=[2_000_000_000], rules=[2_000_000_000, 3]))
        assert made["roles"] is None
        assert [rule["id"] for rule in made["rules"]] == [3]

    def test_nobody_gives_a_rule_that_they_lack(self, there: Arrangement, organization: int) -> None:
        api = there.caller(organization, [("user", "CREATE", "ORGANIZATION"), ("node", "VIEW", "ORGANIZATION")])
        held, lacked = there.rule("node", "VIEW", "ORGANIZATION"), there.rule("node", "VIEW", "GLOBAL")
        assert api.post("/user", json=new_user(rules=[held])).status_code == 201
        response = api.post("/user", json=new_user(rules=[held, lacked]))
        assert response.status_code == 401
        assert "view node at scope global" in response.json()["msg"]

    def test_nobody_gives_a_role_that_holds_more(self, there: Arrangement, organization: int) -> None:
        api = there.caller(organization, roles=[there.role_id("Organization Admin")])
        assert api.post("/user", json=new_user(roles=[there.role_id("Researcher")])).status_code == 201
        assert api.post("/user", json=new_user(roles=[there.role_id("Root")])).status_code == 401

    def test_a_role_of_another_organization_is_not_given(self, root: Api, organization: int, foreign: int) -> None:
        role = root.made("/role", {"name": unique("role"), "description": "", "organization_id": foreign})["id"]
        own = new_user(organization_id=foreign, roles=[role])
        assert root.post("/user", json=own).status_code == 201
        assert root.post("/user", json=new_user(organization_id=organization, roles=[role])).status_code == 401

    def test_nothing_is_made_when_it_is_refused(self, there: Arrangement, organization: int) -> None:
        api = there.caller(organization, [("user", "CREATE", "ORGANIZATION")])
        wanted = new_user(rules=[1])
        assert api.post("/user", json=wanted).status_code == 401
        assert there.rows('SELECT id FROM "user" WHERE username = :name', name=wanted["username"]) == []


class TestUpdate:
    def test_what_is_given_changes_and_null_does_not(self, there: Arrangement, organization: int, root: Api) -> None:
        user = root.made("/user", new_user(organization_id=organization, rules=[1]))
        body = {"firstname": "Grace", "lastname": None, "email": None, "username": None, "roles": None, "rules": None}
        response = root.patch(f"/user/{user['id']}", json=body)
        assert response.status_code == 200
        assert response.json() == user | {"firstname": "Grace"}
        assert root.patch(f"/user/{user['id']}", json={}).json() == user | {"firstname": "Grace"}

    @pytest.mark.parametrize(
        ("scope", "self_", "colleague", "stranger"),
        [
            ("GLOBAL", 200, 200, 200),
            ("ORGANIZATION", 200, 200, 401),
            ("OWN", 200, 401, 401),
            (None, 401, 401, 401),
        ],
    )
    def test_by_scope(
        self,
        there: Arrangement,
        organization: int,
        foreign: int,
        scope: str | None,
        self_: int,
        colleague: int,
        stranger: int,
    ) -> None:
        caller = there.user(organization, grants=[("user", "EDIT", scope)] if scope else [])
        api = there.signed_in(caller)
        users = (caller, there.user(organization), there.user(foreign))
        answers = [api.patch(f"/user/{user}", json={"firstname": "x"}).status_code for user in users]
        assert answers == [self_, colleague, stranger]

    def test_an_unknown_id_is_a_404_before_the_permission(self, there: Arrangement, organization: int) -> None:
        assert there.caller(organization).patch("/user/2000000000", json={}).status_code == 404

    def test_a_password_is_refused_here(self, there: Arrangement, organization: int, root: Api) -> None:
        response = root.patch(f"/user/{there.user(organization)}", json={"password": PASSWORD})
        assert response.status_code == 400
        assert response.json()["message"].keys() == {"password"}

    @pytest.mark.parametrize("field", ["username", "email"])
    def test_taken_and_empty_values_are_a_bad_request(self, there: Arrangement, root: Api, field: str) -> None:
        made = root.made("/user", new_user())
        api = there.signed_in(root.made("/user", new_user(rules=[there.rule("user", "EDIT", "OWN")]))["id"])
        own = f"/user/{claims_of(api.token or '')['sub']}"
        current = {"current_password": PASSWORD}
        assert api.patch(own, json={field: made[field]} | current).json()["message"].keys() == {field}
        assert api.patch(own, json={field: ""} | current).json()["message"].keys() == {field}
        assert api.patch(own, json={field: unique("new")} | current).status_code == 200

    @pytest.mark.parametrize(("name", "problem"), UNCLEAR.items())
    def test_nobody_takes_a_name_that_looks_like_another(
        self, there: Arrangement, root: Api, name: str, problem: str
    ) -> None:
        api = there.signed_in(root.made("/user", new_user(rules=[there.rule("user", "EDIT", "OWN")]))["id"])
        response = api.patch(f"/user/{claims_of(api.token or '')['sub']}", json={"username": name})
        assert response.status_code == 400
        assert problem in response.json()["message"]["username"]

    def test_the_username_of_another_may_not_change(self, there: Arrangement, organization: int, root: Api) -> None:
        name = unique("ada")
        user = there.user(organization, username=name)
        assert root.patch(f"/user/{user}", json={"username": unique("x")}).status_code == 400
        assert root.patch(f"/user/{user}", json={"username": name}).status_code == 200

    def test_only_the_global_scope_moves_a_user(self, there: Arrangement, organization: int, foreign: int) -> None:
        user = there.user(organization)
        local = there.caller(organization, [("user", "EDIT", "ORGANIZATION")])
        everywhere = there.caller(organization, [("user", "EDIT", "GLOBAL")])
        body = {"organization_id": foreign}
        assert local.patch(f"/user/{user}", json={"organization_id": organization}).status_code == 200
        assert local.patch(f"/user/{user}", json=body).status_code == 401
        assert everywhere.patch(f"/user/{user}", json=body).json()["organization"]["id"] == foreign
        assert everywhere.patch(f"/user/{user}", json={"organization_id": 2_000_000_000}).status_code == 404

    def test_roles_and_rules_replace_what_was_there(self, there: Arrangement, organization: int, root: Api) -> None:
        viewer, researcher = there.role_id("Viewer"), there.role_id("Researcher")
        user = there.user(organization, roles=[viewer], grants=[("node", "VIEW", "GLOBAL")])
        shown = root.patch(f"/user/{user}", json={"roles": [researcher, researcher], "rules": [2, 3]}).json()
        assert [role["id"] for role in shown["roles"]] == [researcher]
        assert [rule["id"] for rule in shown["rules"]] == [2, 3]
        assert root.patch(f"/user/{user}", json={"roles": [], "rules": []}).json()["roles"] is None

    def test_nobody_changes_their_own_roles_and_rules(self, root: Api) -> None:
        assert root.patch("/user/1", json={"roles": []}).status_code == 401
        assert root.patch("/user/1", json={"rules": [1]}).status_code == 401

    @pytest.mark.parametrize("field", ["roles", "rules"])
    def test_an_unknown_role_or_rule_is_a_404(
        self, there: Arrangement, organization: int, root: Api, field: str
    ) -> None:
        assert root.patch(f"/user/{there.user(organization)}", json={field: [2_000_000_000]}).status_code == 404

    def test_nobody_gives_what_they_lack(self, there: Arrangement, organization: int) -> None:
        api = there.caller(organization, roles=[there.role_id("Organization Admin")])
        user = there.user(organization)
        assert api.patch(f"/user/{user}", json={"rules": [1]}).status_code == 401
        assert api.patch(f"/user/{user}", json={"roles": [there.role_id("Root")]}).status_code == 401
        assert api.patch(f"/user/{user}", json={"roles": [there.role_id("Viewer")]}).status_code == 200

    def test_whoever_holds_more_cannot_be_edited(self, there: Arrangement, organization: int) -> None:
        api = there.caller(organization, roles=[there.role_id("Organization Admin")])
        powerful = there.user(organization, roles=[there.role_id("Root")])
        response = api.patch(f"/user/{powerful}", json={"email": unique("mine")})
        assert response.status_code == 401
        assert "at scope" in response.json()["msg"]

    def test_two_changes_of_roles_at_once_both_end_well(self, there: Arrangement, organization: int, root: Api) -> None:
        user = there.user(organization)
        answers = at_once(4, lambda: root.patch(f"/user/{user}", json={"rules": [1, 2]}))
        assert [answer.status_code for answer in answers] == [200] * 4


class TestDelete:
    @pytest.mark.parametrize(
        ("scope", "self_", "colleague", "stranger"),
        [
            ("GLOBAL", 200, 200, 200),
            ("ORGANIZATION", 200, 200, 401),
            ("OWN", 200, 401, 401),
            (None, 401, 401, 401),
        ],
    )
    def test_by_scope(
        self,
        there: Arrangement,
        organization: int,
        foreign: int,
        scope: str | None,
        self_: int,
        colleague: int,
        stranger: int,
    ) -> None:
        caller = there.user(organization, grants=[("user", "DELETE", scope)] if scope else [])
        api = there.signed_in(caller)
        users = (there.user(foreign), there.user(organization), caller)
        answers = [api.delete(f"/user/{user}").status_code for user in users]
        assert answers == [stranger, colleague, self_]

    def test_a_deleted_user_is_gone_and_leaves_the_tasks(
        self, there: Arrangement, organization: int, root: Api
    ) -> None:
        user = there.user(organization, roles=[there.role_id("Viewer")])
        task = there.task(there.collaboration(organization), init_user=user)
        response = root.delete(f"/user/{user}")
        assert response.status_code == 200
        assert isinstance(response.json()["msg"], str)
        assert root.get(f"/user/{user}").status_code == 404
        assert root.delete(f"/user/{user}").status_code == 404
        assert there.rows("SELECT init_user_id FROM task WHERE id = :id", id=task) == [{"init_user_id": None}]
        assert there.rows("SELECT id FROM authenticatable WHERE id = :id", id=user) == []

    def test_whoever_holds_more_cannot_be_deleted(self, there: Arrangement, organization: int) -> None:
        api = there.caller(organization, roles=[there.role_id("Organization Admin")])
        powerful = there.user(organization, grants=[("node", "DELETE", "GLOBAL")])
        assert api.delete(f"/user/{powerful}").status_code == 401
        assert api.delete(f"/user/{there.user(organization)}").status_code == 200


def test_changes_are_in_the_audit_trail(there: Arrangement, organization: int, root: Api) -> None:
    wanted = new_user(organization_id=organization)
    user = root.made("/user", wanted)["id"]
    root.patch(f"/user/{user}", json={"rules": [1]})
    root.delete(f"/user/{user}")
    rows = there.rows(
        "SELECT action, actor_type, actor_id, request_id, detail FROM audit"
        " WHERE subject_type = 'user' AND subject_id = :id ORDER BY id",
        id=user,
    )
    assert [row["action"] for row in rows] == ["user_created", "user_changed", "user_deleted"]
    assert {(row["actor_type"], row["actor_id"]) for row in rows} == {("user", 1)}
    assert all(row["request_id"] for row in rows)
    assert PASSWORD not in str(rows)


def test_no_secret_of_a_user_is_ever_shown(there: Arrangement, organization: int, root: Api) -> None:
    user = there.user(organization)
    there.run("UPDATE \"user\" SET otp_secret = 'SECRET32' WHERE id = :id", id=user)
    texts = root.get(f"/user/{user}").text + root.get(f"/user?organization_id={organization}").text
    assert "SECRET32" not in texts
    assert "argon2" not in texts
    assert not {"password", "otp_secret", "failed_login_attempts"} & root.get(f"/user/{user}").json().keys()


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_another_method_is_a_405_in_json(root: Api, method: str) -> None:
    response = root.request(method, "/user/1", json={})
    assert response.status_code == 405
    assert isinstance(response.json()["msg"], str)


def test_a_slash_at_the_end_is_a_404_in_json(root: Api) -> None:
    response = root.get("/user/")
    assert response.status_code == 404
    assert isinstance(response.json()["msg"], str)
