"""Hundreds of guesses at once: no more are checked than one after another would be."""

import uuid
from collections import Counter

from support.abuse.at_once import Post, new_source, statuses_at_once
from support.abuse.honest import honest_user_beside
from support.abuse.stack import AttackedStack
from support.services import unique

GUESSES = 300
FEWER = 100
"""Of the other routes, which have the same limit."""
CHECKED = 30
"""As docs/security.md says: failures within five minutes from one address, or for one account."""


def attack(stack: AttackedStack, posts: list[Post]) -> Counter[int]:
    """How many answers of each status; the honest user beside is in time."""
    with honest_user_beside(stack):
        return Counter(statuses_at_once(stack, posts))


def sign_in(username: str, source: str) -> Post:
    return Post("/token/user", {"username": username, "password": "wrong"}, source)


def test_passwords_guessed_at_once_from_one_address_are_limited(stack: AttackedStack) -> None:
    source = new_source()
    counted = attack(stack, [sign_in(unique("nobody"), source) for _ in range(GUESSES)])
    assert 0 < counted[401] <= CHECKED
    assert counted[401] + counted[429] == GUESSES


def test_passwords_guessed_at_once_for_one_account_are_limited(stack: AttackedStack) -> None:
    victim = stack.new_study().username
    counted = attack(stack, [sign_in(victim, f"127.0.12.{number % 250 + 1}") for number in range(GUESSES)])
    assert 0 < counted[401] <= CHECKED
    assert counted[401] + counted[429] == GUESSES


def test_passwords_guessed_at_once_with_a_found_session_are_limited(stack: AttackedStack) -> None:
    token = stack.sign_in(stack.new_study().username)["access_token"]
    body = {"current_password": "wrong", "new_password": "Another-2-word"}
    posts = [Post("/password/change", body, f"127.0.13.{n % 250 + 1}", token, "PATCH") for n in range(FEWER)]
    counted = attack(stack, posts)
    assert 0 < counted[401] <= CHECKED
    assert counted[401] + counted[429] == FEWER


def test_passwords_guessed_at_once_for_a_lost_second_factor_are_limited(stack: AttackedStack) -> None:
    body, source = {"username": stack.new_study().username, "password": "wrong"}, new_source()
    counted = attack(stack, [Post("/recover/2fa/lost", body, source) for _ in range(FEWER)])
    assert 0 < counted[401] <= CHECKED
    assert counted[401] + counted[429] == FEWER


def test_api_keys_guessed_at_once_are_limited(stack: AttackedStack) -> None:
    source = new_source()
    counted = attack(stack, [Post("/token/node", {"api_key": str(uuid.uuid4())}, source) for _ in range(FEWER)])
    assert 0 < counted[401] <= CHECKED
    assert counted[401] + counted[429] == FEWER


def test_recovery_mails_asked_for_at_once_are_limited(stack: AttackedStack) -> None:
    source = new_source()
    counted = attack(stack, [Post("/recover/lost", {"username": unique("nobody")}, source) for _ in range(FEWER)])
    assert 0 < counted[200] <= CHECKED
    assert counted[200] + counted[429] == FEWER
