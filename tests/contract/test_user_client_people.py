"""Users, roles and rules, method by method, through the user clients of both generations."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from support.collaborations import PASSWORD, World
from support.services import unique
from support.shapes import each, ids, link, sorted_link

Run = Callable[..., Any]
Person = Callable[..., str]
DEFAULT_ROLES = {
    "Root",
    "container",
    "node",
    "Viewer",
    "Researcher",
    "Organization Admin",
    "Collaboration Admin",
}


def test_users_are_made_read_and_changed(run: Run, world: World, person: Person) -> None:
    first, second = world.sites
    answer = run(
        """
        root = sign_in("root", "root")
        roles = {one["name"]: one["id"] for one in root.role.list(name="Viewer")["data"]}
        rule = root.rule.list(name="node", operation="VIEW", scope="GLOBAL")["data"][0]["id"]
        mail = name + "@example.org"
        made = root.user.create(name, "Ada", "Byron", password, mail, organization, [roles["Viewer"]], [rule])
        admin = sign_in(admin, password)
        here = admin.user.create(name + "2", "Eve", "Moss", password, "2" + mail)
        ada = sign_in(name, password)
        answer = {
            "made": made,
            "here": here,
            "again": root.user.create(name, "Ada", "Byron", password, "3" + mail),
            "weak": root.user.create(name + "4", "Ada", "Byron", "weak", "4" + mail),
            "read": root.user.get(made["id"]),
            "own": ada.user.get(),
            "renamed": ada.user.update(firstname="Augusta"),
            "moved": root.user.update(made["id"], organization=elsewhere),
            "changed": root.user.update(made["id"], roles=[], rules=[], email="5" + mail, lastname="King"),
            "sent": sent,
        }
        """,
        name=unique("ada"),
        password=PASSWORD,
        organization=first.id,
        elsewhere=second.id,
        admin=person(second.id, "Organization Admin"),
    )
    made = answer["made"]
    assert made.keys() == {
        *("id", "type", "username", "firstname", "lastname", "email", "ip", "status", "last_seen", "organization"),
        *("roles", "rules", "created_tasks"),
    }
    assert (made["type"], made["firstname"], made["lastname"]) == ("user", "Ada", "Byron")
    assert sorted_link(made["organization"]) == link("organization", first.id, "GET", "PATCH")
    assert [one["link"].rpartition("/")[0] for one in made["roles"] + made["rules"]] == ["/api/role", "/api/rule"]
    assert made["created_tasks"] == []
    assert answer["here"]["organization"]["id"] == second.id
    assert (answer["here"]["roles"], answer["here"]["rules"]) == (None, None)
    assert all(isinstance(answer[key]["msg"], str) for key in ("again", "weak"))
    assert answer["read"]["id"] == answer["own"]["id"] == made["id"]
    assert answer["renamed"]["firstname"] == "Augusta"
    assert answer["renamed"]["lastname"] == "Byron"
    assert answer["moved"]["organization"]["id"] == second.id
    changed = answer["changed"]
    assert (changed["roles"], changed["rules"], changed["lastname"]) == (None, None, "King")
    assert (changed["firstname"], changed["email"]) == ("Augusta", "5" + made["email"])
    assert ["POST", "/api/user", 201] in answer["sent"]


def test_users_are_listed_with_filters(run: Run, world: World, person: Person) -> None:
    viewer, admin = person(world.sites[0].id, "Viewer"), person(world.sites[0].id, "Organization Admin")
    today = datetime.now(UTC).date()
    answer = run(
        """
        client = sign_in("root", "root")
        role = client.role.list(name="Viewer")["data"][0]["id"]
        rule = client.rule.list(name="user", operation="CREATE", scope="GLOBAL")["data"][0]["id"]
        me = sign_in(viewer, password).whoami.id_
        client.user.update(me, rules=[rule], firstname="Unica", lastname="Zürn")
        def found(**filters):
            users = client.user.list(organization=organization, **filters)["data"]
            return [one["username"] for one in users]
        answer = {
            "all": found(),
            "username": found(username=viewer),
            "firstname": found(firstname="uni%"),
            "lastname": found(lastname="%rn"),
            "email": found(email=admin + "@%"),
            "role": found(role=role),
            "rule": found(rule=rule),
            "seen": found(last_seen_from=yesterday, last_seen_till=tomorrow),
            "seen_long_ago": found(last_seen_till=yesterday),
            "page": found(page=2, per_page=1),
        }
        """,
        viewer=viewer,
        admin=admin,
        password=PASSWORD,
        organization=world.sites[0].id,
        yesterday=str(today - timedelta(days=1)),
        # The user signs in a little later, and maybe after midnight.
        tomorrow=str(today + timedelta(days=2)),
    )
    assert answer == {
        "all": [viewer, admin],
        **each(("username", "firstname", "lastname", "role", "rule", "seen"), [viewer]),
        **each(("email", "page"), [admin]),
        "seen_long_ago": [],
    }


def test_roles_are_made_changed_listed_and_deleted(run: Run, world: World, person: Person) -> None:
    organization = world.sites[0].id
    answer = run(
        """
        client = sign_in("root", "root")
        rules = [one["id"] for one in client.rule.list(name="task")["data"]]
        made = client.role.create(name, "Does things", rules[:2], organization)
        user = client.user.create(name, "A", "B", password, name + "@example.org", organization, [made["id"]])
        own = client.role.create(name + " of root", "", [])
        def found(**filters):
            return [one["name"] for one in client.role.list(**filters)["data"]]
        answer = {
            "rules": rules,
            "made": made,
            "own": own["organization"]["id"] == client.whoami.organization_id,
            "read": client.role.get(made["id"]),
            "renamed": client.role.update(made["id"], name=name + " 2"),
            "rules_changed": client.role.update(made["id"], rules=rules[2:3]),
            "name": found(name=name + "%"),
            "description": found(description="does%", organization=organization),
            "organization": found(organization=organization),
            "with_default": found(organization=organization, include_root=True),
            "rule": found(organization=organization, rule=rules[2]),
            "other_rule": found(organization=organization, rule=rules[0]),
            "user": found(user=user["id"]),
            "reserved": client.role.create("Researcher", "", []),
            "deleted": client.role.delete(made["id"]),
            "gone": client.role.get(made["id"]),
            "sent": sent,
        }
        """,
        name=unique("role"),
        password=PASSWORD,
        organization=organization,
    )
    made, rules = answer["made"], answer["rules"]
    name = made["name"]
    assert made.keys() == {"id", "name", "description", "organization", "rules", "users"}
    assert ids(made["rules"]) == rules[:2]
    assert sorted_link(made["organization"]) == link("organization", organization, "GET", "PATCH")
    assert answer["own"] is True
    assert ids(answer["read"]["users"]) and made["users"] is None
    assert (answer["renamed"]["name"], answer["renamed"]["description"]) == (f"{name} 2", "Does things")
    assert ids(answer["renamed"]["rules"]) == rules[:2]
    assert (answer["rules_changed"]["name"], ids(answer["rules_changed"]["rules"])) == (f"{name} 2", rules[2:3])
    assert answer["name"] == [f"{name} 2", f"{name} of root"]
    for key in ("description", "organization", "rule", "user"):
        assert answer[key] == [f"{name} 2"], key
    assert set(answer["with_default"]) == {f"{name} 2", *DEFAULT_ROLES}
    assert answer["other_rule"] == []
    assert isinstance(answer["reserved"]["msg"], str)
    assert answer["deleted"] is None
    assert answer["gone"].keys() >= {"msg"}
    assert ["DELETE", f"/api/role/{made['id']}", 200] in answer["sent"]


def test_rules_are_read_and_listed_with_filters(run: Run, world: World, person: Person) -> None:
    answer = run(
        """
        client = sign_in(nobody, password)
        role = sign_in(viewer, password).role.list(name="Viewer")["data"][0]["id"]
        first = client.rule.list(name="node", operation="VIEW", scope="GLOBAL")
        pages = [client.rule.list(page=page) for page in (1, 2, 3, 4)]
        answer = {
            "first": first,
            "read": client.rule.get(first["data"][0]["id"]),
            "of_role": client.rule.list(role=role),
            "pages": [len(page["data"]) for page in pages],
            "selected": client.rule.list(
                per_page=100,
                include_metadata=False,
                filters=[("name", "event"), ("scope", "GLOBAL")],
                field="operation",
            ),
        }
        """,
        nobody=person(world.sites[0].id),
        viewer=person(world.sites[0].id, "Viewer"),
        password=PASSWORD,
    )
    [rule] = answer["first"]["data"]
    assert rule.keys() == {"id", "name", "scope", "operation", "description", "users"}
    assert (rule["name"], rule["operation"], rule["scope"]) == ("node", "VIEW", "GLOBAL")
    assert answer["read"] == rule
    assert len(answer["of_role"]["data"]) == 12
    assert answer["pages"] == [20, 20, 13, 0]
    assert sorted(one["operation"] for one in answer["selected"]) == ["CREATE", "VIEW"]
