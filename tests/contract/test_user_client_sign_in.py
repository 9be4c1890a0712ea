"""Signing in and staying signed in, with the user clients of both generations."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from support.arrange import Arrangement
from support.collaborations import PASSWORD, World
from support.gateway import Server
from support.services import ROOT, unique

Run = Callable[..., Any]
Person = Callable[..., str]
REFRESHED = ["POST", "/api/token/refresh", 200]


def test_the_version_and_the_health_are_told_to_anyone(run: Run) -> None:
    answer = run("""
        from vantage6.client import UserClient
        client = UserClient(host, port, "/api")
        answer = {"version": client.util.get_server_version(), "health": client.util.get_server_health()}
    """)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", answer["version"]["version"])
    assert answer["health"] == {"database": True}


def test_signing_in_tells_who_one_is(run: Run, world: World, person: Person) -> None:
    name = person(world.sites[0].id, "Researcher")
    answer = run(
        """
        client = sign_in(name, password)
        answer = {"whoami": client.whoami._asdict(), "user": client.user.get(), "sent": sent}
        """,
        name=name,
        password=PASSWORD,
    )
    user = answer["user"]
    assert answer["whoami"] == {
        "type_": "user",
        "id_": user["id"],
        "name": "Ada",
        "organization_id": world.sites[0].id,
        "organization_name": world.sites[0].organization["name"],
    }
    assert answer["sent"][:3] == [
        ["POST", "/api/token/user", 200],
        ["GET", f"/api/user/{user['id']}", 200],
        ["GET", f"/api/organization/{world.sites[0].id}", 200],
    ]


def test_a_wrong_password_and_an_unknown_name_are_the_same_denial(run: Run, world: World, person: Person) -> None:
    answer = run(
        """
        answer = []
        for username in names:
            try:
                sign_in(username, "Wrong-1-word")
            except Exception as error:
                answer.append([type(error).__name__, sent[-1]])
        """,
        names=[person(world.sites[0].id), unique("nobody")],
    )
    assert answer == [["AuthenticationException", ["POST", "/api/token/user", 401]]] * 2


def test_a_sign_in_that_names_nobody_is_a_mistake_and_no_denial(run: Run) -> None:
    answer = run("""
        try:
            sign_in(None, "Wrong-1-word")
        except Exception as error:
            answer = [type(error).__name__, sent]
    """)
    assert answer == ["Exception", [["POST", "/api/token/user", 400]]]


def test_after_five_wrong_passwords_the_right_one_is_denied_too(run: Run, world: World, person: Person) -> None:
    answer = run(
        """
        answer = []
        for word in ["Wrong-1-word"] * 5 + [password]:
            try:
                sign_in(name, word)
            except Exception as error:
                answer.append(type(error).__name__)
        """,
        name=person(world.sites[0].id),
        password=PASSWORD,
    )
    assert answer == ["AuthenticationException"] * 6


def test_the_own_password_is_changed_and_the_client_stays_signed_in(run: Run, world: World, person: Person) -> None:
    name = person(world.sites[0].id, "Viewer")
    answer = run(
        """
        client = sign_in(name, password)
        answer = {
            "changed": client.util.change_my_password(password, "New-12345"),
            "wrong": client.util.change_my_password("Wrong-1-word", "New-67890"),
            "weak": client.util.change_my_password("New-12345", "short"),
            "after": client.user.get()["username"],
            "again": sign_in(name, "New-12345").whoami.name,
        }
        try:
            sign_in(name, password)
        except Exception as error:
            answer["old"] = type(error).__name__
        changes = [one[2] for one in sent if one[1] == "/api/password/change"]
        answer["statuses"] = changes
        """,
        name=name,
        password=PASSWORD,
    )
    # A refused call comes twice: the client refreshes its token and tries once more.
    assert answer["statuses"] == [200, 401, 401, 400, 400]
    assert all(isinstance(answer[key]["msg"], str) for key in ("changed", "wrong", "weak"))
    assert (answer["after"], answer["again"], answer["old"]) == (name, "Ada", "AuthenticationException")


def test_an_expired_token_is_renewed_without_a_word(
    run: Run, server: Server, world: World, person: Person, there: Arrangement
) -> None:
    name = person(world.sites[0].id, "Viewer")
    user = server.services.login(name, PASSWORD).tokens["user_url"]
    expired = there.token(int(user.rpartition("/")[2]), "user", exp=datetime.now(UTC) - timedelta(hours=1))
    answer = run(
        """
        client = sign_in(name, password)
        del sent[:]
        answer = []
        for _ in range(2):
            client._access_token = expired
            answer.append(client.user.get()["username"])
        answer.append(sent)
        """,
        name=name,
        password=PASSWORD,
        expired=expired,
    )
    assert answer == [name, name, [["GET", user, 401], REFRESHED, ["GET", user, 200]] * 2]


def test_a_client_refreshes_hour_after_hour(run: Run, world: World, person: Person, there: Arrangement) -> None:
    tokens = (
        "answer = [{key: value for key, value in vars(client).items() if '_token' in key or '_refresh' in key}, sent]"
    )
    state, _ = run(
        f"""
        client = sign_in(name, password)
        client.refresh_token()
        {tokens}
        """,
        name=person(world.sites[0].id, "Viewer"),
        password=PASSWORD,
    )
    for _ in range(3):
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        there.run("UPDATE refreshsession SET revoked_at = :at WHERE revoked_at > :at", at=hour_ago)
        state, sent = run(
            f"""
            from vantage6.client import UserClient
            client = UserClient(host, port, "/api")
            vars(client).update(state)
            client.refresh_token()
            {tokens}
            """,
            state=state,
        )
        assert sent == [REFRESHED]


def test_a_malformed_token_is_renewed_as_well(run: Run) -> None:
    answer = run(
        """
        client = sign_in(name, password)
        del sent[:]
        client._access_token = "nonsense"
        answer = [client.user.get()["username"], sent]
        """,
        name=ROOT[0],
        password=ROOT[1],
    )
    assert answer == ["root", [["GET", "/api/user/1", 422], REFRESHED, ["GET", "/api/user/1", 200]]]
