"""A stolen access token ends with the session that it comes from."""

from typing import Any, cast

import socketio  # pyright: ignore[reportMissingTypeStubs]

from support.abuse.stack import PASSWORD, AttackedStack
from support.waiting import eventually

NEW = "Another-2-word"


def works(stack: AttackedStack, token: str) -> bool:
    """Whether all services but the gateway answer it: each checks tokens by itself."""
    with stack.client(token) as http:
        answers = {http.get(path).status_code for path in ("/rule", "/organization", "/task")}
    assert answers in ({200}, {401}), answers
    return answers == {200}


def opened(stack: AttackedStack, token: str) -> Any:
    """A user's socket, which stays away once it was disconnected."""
    client: Any = cast(Any, socketio).Client(reconnection=False)
    client.connect(
        stack.address.removesuffix("/api"),
        headers={"Authorization": f"Bearer {token}"},
        namespaces=["/tasks"],
        transports=["websocket"],
        wait_timeout=20,
    )
    return client


def test_stolen_tokens_and_sockets_end_with_a_new_password(stack: AttackedStack) -> None:
    name = stack.new_study().username
    stolen, own = stack.sign_in(name)["access_token"], stack.sign_in(name)["access_token"]
    socket = opened(stack, stolen)
    assert works(stack, stolen)
    with stack.client(own) as http:
        changed = http.patch("/password/change", json={"current_password": PASSWORD, "new_password": NEW})
    assert changed.status_code == 200
    assert not works(stack, stolen)
    assert works(stack, own)
    eventually(lambda: not socket.connected)


def test_a_found_session_is_not_enough_to_take_the_account_to_another_mailbox(stack: AttackedStack) -> None:
    with stack.client(stack.root) as http:
        before = http.get("/user/1").json()["email"]
        assert http.patch("/user/1", json={"email": "thief@mail.example"}).status_code == 400
        guess = {"email": "thief@mail.example", "current_password": "guessed"}
        assert http.patch("/user/1", json=guess).status_code == 401
        assert http.get("/user/1").json()["email"] == before


def test_signing_out_ends_this_session_or_all(stack: AttackedStack) -> None:
    name = stack.new_study().username
    first, second, third = (stack.sign_in(name)["access_token"] for _ in range(3))
    socket = opened(stack, first)
    with stack.client(first) as http:
        assert http.post("/token/revoke").status_code == 200
    assert [works(stack, token) for token in (first, second, third)] == [False, True, True]
    eventually(lambda: not socket.connected)
    with stack.client(second) as http:
        assert http.post("/token/revoke", params={"all": "true"}).status_code == 200
    assert [works(stack, token) for token in (second, third)] == [False, False]
    assert works(stack, stack.sign_in(name)["access_token"])
