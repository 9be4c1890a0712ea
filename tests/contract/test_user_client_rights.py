"""What the user clients of both generations see when they may not do a thing."""

from collections.abc import Callable
from typing import Any

import pytest

from support.collaborations import PASSWORD, World
from support.gateway import Server
from support.services import unique
from support.shapes import each, ids

Run = Callable[..., Any]
Person = Callable[..., str]

ATTEMPTS = """
    client = sign_in(name, password)
    own = client.whoami.organization_id
    lacking = client.rule.list(name="collaboration", operation="DELETE", scope="GLOBAL")["data"][0]["id"]
    attempts = {
        "see organizations": lambda: client.organization.list(),
        "see another organization": lambda: client.organization.get(foreign),
        "change the own organization": lambda: client.organization.update(domain="d"),
        "change another organization": lambda: client.organization.update(partner, domain="d"),
        "make an organization": lambda: client.organization.create(word, "", "", "", "", ""),
        "see collaborations": lambda: client.collaboration.list(),
        "see a foreign collaboration": lambda: client.collaboration.get(elsewhere),
        "make a collaboration": lambda: client.collaboration.create(word, [own]),
        "see nodes": lambda: client.node.list(),
        "see a foreign node": lambda: client.node.get(foreign_node),
        "change the own node": lambda: client.node.update(node),
        "change a partner's node": lambda: client.node.update(partner_node),
        "see users": lambda: client.user.list(),
        "see oneself": lambda: client.user.get(),
        "see root": lambda: client.user.get(1),
        "change oneself": lambda: client.user.update(lastname="L"),
        "give oneself a rule": lambda: client.user.update(rules=[lacking]),
        "make a user": lambda: client.user.create(word, "A", "B", password, word + "@example.org"),
        "see roles": lambda: client.role.list(),
        "make a role": lambda: client.role.create(word, "", []),
        "make a role of what one lacks": lambda: client.role.create(word + "2", "", [lacking]),
        "see rules": lambda: client.rule.list(),
        "see tasks": lambda: client.task.list(),
        "see a foreign task": lambda: client.task.get(foreign_task),
        "make a task": lambda: client.task.create(collaboration, [own], "n", "i", "", {}),
        "see results": lambda: client.result.list(),
        "delete a task": lambda: client.task.delete(task),
    }
    answer = {}
    for what, attempt in attempts.items():
        del sent[:]
        try:
            attempt()
        except TypeError:
            # Where the clients look for results they do not look for a refusal.
            pass
        answer[what] = [status for _, path, status in sent if path != "/api/token/refresh"][-1]
"""
ALWAYS = {"see oneself", "see roles", "see rules"}
VIEWER = {
    *ALWAYS,
    *(
        "see organizations",
        "see collaborations",
        "see nodes",
        "see users",
        "change oneself",
        "see tasks",
        "see results",
    ),
}
RESEARCHER = {*VIEWER, "make a task", "delete a task"}
ADMIN = {*RESEARCHER, "change the own organization", "change the own node", "make a user", "make a role"}
FOREIGN = {"see another organization", "see a foreign collaboration", "see a foreign node", "see root"}


@pytest.fixture
def server(server_on_postgres: Server) -> Server:
    """One database is enough here: the whole matrix of rights is tried on both elsewhere."""
    return server_on_postgres


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (None, ALWAYS),
        ("Viewer", VIEWER),
        ("Researcher", RESEARCHER),
        ("Organization Admin", ADMIN),
        ("Collaboration Admin", {*ADMIN, *FOREIGN, "change another organization"}),
    ],
)
def test_a_role_allows_what_it_says_and_no_more(
    run: Run, world: World, person: Person, role: str | None, allowed: set[str]
) -> None:
    first, second = world.sites
    foreign = world.root.made("/organization", {"name": unique("foreign")})["id"]
    elsewhere = world.root.made("/collaboration", {"name": unique("elsewhere"), "organization_ids": [foreign]})["id"]
    node = world.root.made("/node", {"collaboration_id": elsewhere, "organization_id": foreign})["id"]
    stranger = world.user("Researcher", foreign)
    body = {"name": "t", "image": "i", "collaboration_id": elsewhere, "organizations": [{"id": foreign, "input": ""}]}
    answer = run(
        ATTEMPTS,
        name=person(first.id, *([role] if role else [])),
        password=PASSWORD,
        word=unique("word"),
        collaboration=world.id,
        partner=second.id,
        node=first.node["id"],
        partner_node=second.node["id"],
        task=world.ask(first)["id"],
        foreign=foreign,
        elsewhere=elsewhere,
        foreign_node=node,
        foreign_task=stranger.made("/task", body)["id"],
    )
    assert {what for what, status in answer.items() if status in (200, 201)} == allowed
    # Never 403: clients and people read a 401 as "you may not".
    assert {what: status for what, status in answer.items() if what not in allowed} == each(
        answer.keys() - allowed, 401
    )


def test_a_refused_call_is_sent_twice_and_answers_what_the_server_said(run: Run, world: World, person: Person) -> None:
    answer = run(
        """
        client = sign_in(name, password)
        del sent[:]
        answer = [client.organization.create("x", "", "", "", "", ""), client.task.get(999999999), sent]
        """,
        name=person(world.sites[0].id, "Viewer"),
        password=PASSWORD,
    )
    denied, absent, sent = answer
    assert isinstance(denied["msg"], str)
    assert isinstance(absent["msg"], str)
    refresh = ["POST", "/api/token/refresh", 200]
    make, read = ["POST", "/api/organization", 401], ["GET", "/api/task/999999999", 404]
    assert sent == [make, refresh, make, read, refresh, read]


def test_a_right_that_is_taken_away_is_gone_at_the_next_call(run: Run, world: World, person: Person) -> None:
    answer = run(
        """
        root = sign_in("root", "root")
        client = sign_in(name, password)
        before = client.task.list()
        root.user.update(client.whoami.id_, roles=[])
        answer = {"before": before, "after": client.task.list(), "still": client.user.get()["username"]}
        """,
        name=person(world.sites[0].id, "Viewer"),
        password=PASSWORD,
    )
    assert ids(answer["before"]) == []
    assert isinstance(answer["after"]["msg"], str)
    assert answer["still"].startswith("user-")


def test_a_member_sees_partners_and_no_stranger(run: Run, world: World, person: Person) -> None:
    stranger = world.root.made("/organization", {"name": unique("foreign")})["id"]
    answer = run(
        """
        client = sign_in(name, password)
        answer = {
            "organizations": client.organization.list(),
            "nodes": client.node.list(),
            "users": [one["organization"]["id"] for one in client.user.list()["data"]],
            "collaborations": client.collaboration.list(scope="global"),
        }
        """,
        name=person(world.sites[0].id, "Viewer"),
        password=PASSWORD,
    )
    assert ids(answer["organizations"]) == [site.id for site in world.sites]
    assert stranger not in ids(answer["organizations"])
    assert ids(answer["nodes"]) == [world.sites[0].node["id"]]
    assert set(answer["users"]) == {world.sites[0].id}
    assert ids(answer["collaborations"]) == [world.id]
