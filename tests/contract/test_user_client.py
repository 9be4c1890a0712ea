"""Organizations, collaborations, nodes and paging, method by method, through the user clients of both generations.

What each method sends and needs stands in the contract's section on the user client.
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from support.collaborations import PASSWORD, World
from support.services import unique
from support.shapes import each, ids, link, sorted_link

Run = Callable[..., Any]
Person = Callable[..., str]
TRIED = {
    "util": {
        *("get_server_version", "get_server_health", "change_my_password", "generate_private_key"),
        *("reset_my_password", "set_my_password", "reset_two_factor_auth", "set_two_factor_auth"),
    },
    "collaboration": {"list", "get", "create"},
    "node": {"list", "get", "create", "update", "delete", "kill_tasks"},
    "organization": {"list", "get", "create", "update"},
    "user": {"list", "get", "create", "update"},
    "role": {"list", "get", "create", "update", "delete"},
    "rule": {"list", "get"},
    "task": {"list", "get", "create", "delete", "kill"},
    "result": {"list", "get", "from_task"},
}
"""Methods that the tests of this folder call."""


def test_every_method_of_the_clients_is_tried(run: Run) -> None:
    answer = run("""
        from vantage6.client import ClientBase, UserClient
        client = UserClient(host, port, "/api")
        answer = {}
        for name, part in vars(client).items():
            if isinstance(part, ClientBase.SubClient):
                answer[name] = [one for one in dir(part) if one[0] != "_" and one != "parent"]
    """)
    assert answer.keys() == TRIED.keys()
    assert {part: set(methods) - TRIED[part] for part, methods in answer.items()} == {part: set() for part in TRIED}


def test_organizations_are_made_read_and_changed(run: Run) -> None:
    key = base64.b64encode(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").decode()
    answer = run(
        """
        client = sign_in("root", "root")
        made = client.organization.create(name, "Street 1", "Floor 2", "1234 AB", "Atlantis", "example.org")
        with_key = client.organization.create(name + " 2", "", "", "", "", "", public_key=key)
        answer = {
            "made": made,
            "with_key": with_key["public_key"],
            "changed": client.organization.update(made["id"], address1="Street 2", public_key=key),
            "read": client.organization.get(made["id"]),
            "own": client.organization.get(),
            "own_changed": client.organization.update(zipcode="0000"),
            "fields": client.organization.get(made["id"], fields=["id", "name"]),
            "sent": sent,
        }
        """,
        name=unique("organization"),
        key=key,
    )
    made = answer["made"]
    assert made == {
        "id": made["id"],
        "name": made["name"],
        "domain": "example.org",
        "address1": "Street 1",
        "address2": "Floor 2",
        "zipcode": "1234 AB",
        "country": "Atlantis",
        "public_key": "",
        **each(("collaborations", "nodes", "users", "results"), None),
        "roles": [],
    }
    assert answer["with_key"] == key
    assert answer["changed"] == answer["read"] == made | {"address1": "Street 2", "public_key": key}
    assert (answer["own"]["name"], answer["own_changed"]["zipcode"]) == ("root", "0000")
    assert answer["fields"] == {"id": made["id"], "name": made["name"]}
    assert ["POST", "/api/organization", 201] in answer["sent"]


def test_organizations_are_listed_with_filters(run: Run, world: World) -> None:
    first, second = world.sites
    country = unique("country")
    world.root.patch(f"/organization/{second.id}", json={"country": country})
    answer = run(
        """
        client = sign_in("root", "root")
        list_ = client.organization.list
        answer = {
            "all": list_(),
            "named": list_(name=name[:-2] + "%"),
            "not_exactly": list_(name=name[:-2]),
            "country": list_(country=country),
            "collaboration": list_(collaboration=collaboration),
            "bare": list_(collaboration=collaboration, include_metadata=False),
            "filtered": list_(collaboration=collaboration, include_metadata=False, filter_=("name", name), field="id"),
        }
        """,
        name=first.organization["name"],
        country=country,
        collaboration=world.id,
    )
    assert {first.id, second.id} < set(ids(answer["all"]))
    assert (ids(answer["named"]), ids(answer["not_exactly"])) == ([first.id], [])
    assert ids(answer["country"]) == [second.id]
    assert ids(answer["collaboration"]) == ids(answer["bare"]) == [first.id, second.id]
    assert answer["filtered"] == [{"id": first.id}]


def test_a_list_comes_in_pages_that_link_to_one_another(run: Run) -> None:
    answer = run(
        """
        client = sign_in("root", "root")
        for number in range(5):
            client.organization.create(name + str(number), "", "", "", "", "")
        pages = [client.organization.list(name=name + "%", page=page, per_page=2) for page in (1, 2, 3, 4)]
        bare = client.organization.list(name=name + "%", page=3, per_page=2, include_metadata=False)
        answer = {"pages": pages, "bare": bare}
        """,
        name=unique("page"),
    )
    pages = answer["pages"]
    assert [len(page["data"]) for page in pages] == [2, 2, 1, 0]
    assert len({one for page in pages for one in ids(page)}) == 5
    assert answer["bare"] == pages[2]["data"]
    edges = {"first", "self", "last"}
    assert [page["links"].keys() for page in pages] == [
        edges | {"next"},
        edges | {"next", "previous"},
        edges | {"previous"},
        edges | {"previous"},
    ]
    for page, wanted in zip(pages, ("page=1", "page=2", "page=3", "page=4"), strict=True):
        assert page["links"]["self"].startswith("/api/organization?")
        assert wanted in page["links"]["self"]
        assert "per_page=2" in page["links"]["self"]
        assert "include=metadata" in page["links"]["self"]
    assert "page=3" in pages[0]["links"]["last"]


def test_collaborations_are_made_read_and_listed(run: Run, world: World, person: Person) -> None:
    first, second = world.sites
    answer = run(
        """
        root = sign_in("root", "root")
        plain = root.collaboration.create(name, [organization])
        secret = root.collaboration.create(name + " secret", [organization], True)
        member = sign_in(member, password)
        list_ = root.collaboration.list
        answer = {
            "plain": plain,
            "secret": secret,
            "read": root.collaboration.get(secret["id"]),
            "again": root.collaboration.create(name, [organization]),
            "own": member.collaboration.list(),
            "own_global": member.collaboration.list(scope="global"),
            "named": list_(scope="global", name=name + "%"),
            "encrypted": list_(scope="global", name=name + "%", encrypted=True),
            "open": list_(scope="global", name=name + "%", encrypted=False),
            "of_organization": list_(scope="global", organization=organization),
            "sent": [one for one in sent if one[0] == "POST" and one[1] == "/api/collaboration"],
        }
        """,
        name=unique("collaboration"),
        organization=second.id,
        member=person(second.id, "Viewer"),
        password=PASSWORD,
    )
    plain, secret = answer["plain"], answer["secret"]
    assert (plain["encrypted"], secret["encrypted"]) == (False, True)
    assert plain.keys() == {"id", "name", "encrypted", "organizations", "nodes", "tasks"}
    assert [sorted_link(one) for one in plain["organizations"]] == [link("organization", second.id, "GET", "PATCH")]
    assert (plain["nodes"], plain["tasks"]) == (None, None)
    assert answer["read"] == secret
    assert isinstance(answer["again"]["msg"], str)
    assert [one[2] for one in answer["sent"]] == [200, 200, 400, 400]
    assert set(ids(answer["own"])) == {world.id, plain["id"], secret["id"]}
    assert isinstance(answer["own"], list)
    assert ids(answer["own_global"]) == ids(answer["of_organization"]) == [world.id, plain["id"], secret["id"]]
    assert ids(answer["named"]) == [plain["id"], secret["id"]]
    assert (ids(answer["encrypted"]), ids(answer["open"])) == ([secret["id"]], [plain["id"]])
    assert first.id not in ids(plain["organizations"])


def test_nodes_are_made_read_changed_and_deleted(run: Run, world: World, person: Person) -> None:
    first, second = world.sites
    other = world.root.made("/collaboration", {"name": unique("c"), "organization_ids": [first.id, second.id]})
    answer = run(
        """
        client = sign_in(admin, password)
        own = client.node.create(collaboration)
        root = sign_in("root", "root")
        named = root.node.create(collaboration, organization, "Node two")
        answer = {
            "own": own,
            "named": named,
            "twice": root.node.create(collaboration, organization),
            "read": client.node.get(own["id"]),
            "changed": client.node.update(own["id"], name="Node one"),
            "unchanged": client.node.update(own["id"]),
            "denied": client.node.delete(own["id"]),
            "deleted": root.node.delete(own["id"]),
            "gone": client.node.get(own["id"]),
            "sent": [one for one in sent if one[0] == "DELETE"],
        }
        """,
        admin=person(first.id, "Organization Admin"),
        password=PASSWORD,
        collaboration=other["id"],
        organization=second.id,
    )
    own = answer["own"]
    shape = {"id", "type", "name", "ip", "status", "last_seen", "organization", "collaboration", "config"}
    assert own.keys() == shape | {"api_key"}
    assert own["type"] == "node"
    assert own["config"] == []
    assert own["organization"]["id"] == first.id
    assert sorted_link(own["collaboration"]) == link("collaboration", other["id"], "GET", "PATCH", "DELETE")
    assert answer["named"]["name"] == "Node two"
    assert answer["named"]["organization"]["id"] == second.id
    assert isinstance(answer["twice"]["msg"], str)
    assert answer["read"] == {key: own[key] for key in shape}
    assert answer["changed"] == answer["unchanged"] == answer["read"] | {"name": "Node one"}
    # An organization's administrator makes nodes and changes them, and deletes none.
    assert [status for _, _, status in answer["sent"]] == [401, 401, 200]
    assert all("msg" in answer[key] for key in ("denied", "deleted", "gone"))


def test_nodes_are_listed_with_filters(run: Run, world: World) -> None:
    first, second = world.sites
    assert first.api.patch(f"/node/{first.node['id']}", json={"ip": "10.0.0.9"}).status_code == 200
    today = datetime.now(UTC).date()
    answer = run(
        """
        client = sign_in("root", "root")
        def found(**filters):
            return client.node.list(collaboration=collaboration, **filters)
        answer = {
            "all": found(),
            "name": found(name=name),
            "organization": found(organization=organization),
            "online": found(is_online=True),
            "ip": found(ip="10.0.0.9"),
            "seen": found(last_seen_from=yesterday, last_seen_till=tomorrow),
            "seen_long_ago": found(last_seen_till=yesterday),
        }
        """,
        collaboration=world.id,
        name=second.node["name"],
        organization=second.id,
        yesterday=str(today - timedelta(days=1)),
        tomorrow=str(today + timedelta(days=1)),
    )
    one, two = first.node["id"], second.node["id"]
    assert {key: ids(value) for key, value in answer.items()} == {
        "all": [one, two],
        "name": [two],
        "organization": [two],
        "online": [],
        "ip": [one],
        "seen": [one],
        "seen_long_ago": [],
    }
