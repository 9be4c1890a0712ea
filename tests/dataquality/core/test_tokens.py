"""Tokens, by what their holders and the contract need of them."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from dataquality.core.errors import InvalidToken, Unauthorized
from dataquality.core.tokens import ContainerClaims, ContainerSubject, IdentityClaims, TokenKey

KEY = TokenKey("k" * 40)
HOUR = timedelta(hours=1)
CONTAINER = ContainerSubject(
    node_id=2, organization_id=3, collaboration_id=4, task_id=5, image="registry.example/avg:1", database="default"
)


def unverified(token: str) -> dict[str, Any]:
    """The claims as a client sees them, which has no key."""
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def test_the_subject_of_a_users_token_is_an_integer_on_the_wire():
    claims = unverified(KEY.issue(7, "user", "access", HOUR, roles=["Root"]).text)
    assert claims["sub"] == 7
    assert claims["client_type"] == "user"
    assert claims["roles"] == ["Root"]
    assert claims["type"] == "access"
    assert claims["exp"] - claims["iat"] == 3600


def test_container_token_names_its_task_and_expires_only_with_a_lifetime():
    claims = unverified(KEY.issue(CONTAINER, "container", "access", None).text)
    assert "exp" not in claims
    assert claims["sub"] == {
        "client_type": "container",
        "node_id": 2,
        "organization_id": 3,
        "collaboration_id": 4,
        "task_id": 5,
        "image": "registry.example/avg:1",
        "database": "default",
    }


def test_what_was_issued_is_read_again():
    user = KEY.read(KEY.issue(7, "user", "refresh", HOUR).text)
    assert isinstance(user, IdentityClaims)
    assert (user.sub, user.client_type, user.type) == (7, "user", "refresh")
    container = KEY.read(KEY.issue(CONTAINER, "container", "access", None).text)
    assert isinstance(container, ContainerClaims)
    assert container.sub == CONTAINER


def test_an_expired_token_is_unauthorized():
    with pytest.raises(Unauthorized, match="expired"):
        KEY.read(KEY.issue(7, "user", "access", -HOUR).text)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "not a token",
        TokenKey("another secret, and a long one, too").issue(7, "user", "access", HOUR).text,
        KEY.issue_for("reset", "7", HOUR).text,
        KEY.issue(7, "container", "access", HOUR).text,
        KEY.issue(CONTAINER, "user", "access", HOUR).text,
    ],
    ids=["empty", "dots", "words", "other key", "other purpose", "container with a number", "user with an object"],
)
def test_a_token_of_another_making_is_refused_as_unprocessable(token: str):
    with pytest.raises(InvalidToken) as refusal:
        KEY.read(token)
    assert refusal.value.status == 422


def test_an_unsigned_token_is_refused():
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    body = KEY.issue(7, "user", "access", HOUR).text.split(".")[1]
    with pytest.raises(InvalidToken):
        KEY.read(f"{header}.{body}.")


def test_a_token_for_one_purpose_does_not_serve_another():
    reset = KEY.issue_for("reset", "7", HOUR).text
    assert KEY.read_for("reset", reset)["sub"] == "7"
    with pytest.raises(InvalidToken):
        KEY.read_for("service", reset)
    with pytest.raises(InvalidToken):
        KEY.read_for("reset", KEY.issue(7, "user", "access", HOUR).text)
