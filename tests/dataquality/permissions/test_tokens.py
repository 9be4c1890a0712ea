"""Each kind of token opens what it was made for, and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from support.arrange import PASSWORD, Arrangement
from support.services import Api, Services, unique
from support.tokens import claims_of, signed

ACCESS = {"/user": "auth", "/node": "entity", "/task": "dispatch"}


@dataclass
class Cast:
    """A user and a node, signed in, and a container on the node."""

    there: Arrangement
    user_id: int
    node_id: int
    user: Api
    node: Api
    container: str


@pytest.fixture
def cast_of(services: Services) -> Cast:
    there, name, key = Arrangement(services), unique("user"), unique("key")
    organization = there.organization()
    collaboration = there.collaboration(organization)
    user = there.user(organization, username=name, roles=[there.role_id("Viewer")])
    node_id = there.node(organization, collaboration, key)
    task = there.task(collaboration, organization)
    node = services.login_node(key)
    container = node.made("/token/container", {"task_id": task, "image": "image"})["container_token"]
    return Cast(there, user, node_id, services.login(name, PASSWORD), node, container)


def with_purpose(there: Arrangement, secret: str, purpose: str, subject: Any) -> str:
    """A token of the server's own, for calls among its parts or for a mail."""
    now = datetime.now(UTC)
    claims = {"sub": subject, "purpose": purpose, "iat": now, "exp": now + timedelta(hours=1), "jti": unique("jti")}
    return signed(claims, there.secret(secret))


def expired(there: Arrangement, token: str) -> str:
    """The same token, whose time was over a minute ago."""
    claims = claims_of(token)
    return signed(claims | {"exp": datetime.now(UTC) - timedelta(minutes=1)}, there.secret("jwt_secret_key"))


TOKENS: dict[str, Callable[[Cast], str | None]] = {
    "a user's access token": lambda cast: cast.user.token,
    "a user's refresh token": lambda cast: cast.user.tokens["refresh_token"],
    "a node's access token": lambda cast: cast.node.token,
    "a node's refresh token": lambda cast: cast.node.tokens["refresh_token"],
    "a container's token": lambda cast: cast.container,
    "a container's expired token": lambda cast: expired(cast.there, cast.container),
    "a service's token": lambda cast: with_purpose(cast.there, "service_key", "service", "entity"),
    "a reset token": lambda cast: with_purpose(cast.there, "reset_key", "recover-password", str(cast.user_id)),
    "a user's id in a node's token": lambda cast: cast.there.token(cast.user_id, "node"),
    "a node's id in a user's token": lambda cast: cast.there.token(cast.node_id, "user"),
    "a container without a task": lambda cast: cast.there.token(cast.node_id, "container"),
    "a user of an unknown kind": lambda cast: cast.there.token(cast.user_id, "admin"),
    "a token of an unknown type": lambda cast: cast.there.token(cast.user_id, "user", type="reset"),
    "an unsigned token": lambda cast: signed({"sub": cast.user_id, "client_type": "user"}, None, "none"),
    "no token": lambda _: None,
}
# Three addresses of the API (one a service), the refresh, and the internal one that tells rights.
EXPECTED: dict[str, tuple[int, int, int, int, int]] = {
    "a user's access token": (200, 200, 200, 422, 422),
    "a user's refresh token": (422, 422, 422, 200, 422),
    "a node's access token": (401, 200, 200, 422, 422),
    "a node's refresh token": (422, 422, 422, 200, 422),
    "a container's token": (401, 401, 200, 422, 422),
    "a container's expired token": (401, 401, 401, 401, 422),
    "a service's token": (422, 422, 422, 422, 200),
    "a reset token": (422, 422, 422, 422, 422),
    "a user's id in a node's token": (401, 401, 401, 422, 422),
    "a node's id in a user's token": (401, 401, 401, 422, 422),
    "a container without a task": (422, 422, 422, 422, 422),
    "a user of an unknown kind": (422, 422, 422, 422, 422),
    "a token of an unknown type": (422, 422, 422, 422, 422),
    "an unsigned token": (422, 422, 422, 422, 422),
    "no token": (401, 401, 401, 401, 401),
}


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_opens_what_it_was_made_for_and_nothing_else(services: Services, cast_of: Cast, kind: str) -> None:
    api = Api(services.addresses, TOKENS[kind](cast_of))
    internal = f"{services.addresses['auth']}/internal/permissions/user/{cast_of.user_id}"
    headers = {"Authorization": f"Bearer {api.token}"} if api.token else {}
    answers = [*(api.get(path) for path in ACCESS), api.post("/token/refresh")]
    answers.append(httpx.get(internal, headers=headers, trust_env=False, timeout=30))
    assert tuple(answer.status_code for answer in answers) == EXPECTED[kind]
    assert all(isinstance(answer.json()["msg"], str) for answer in answers if answer.status_code >= 400)


@pytest.mark.parametrize("kind", [kind for kind in TOKENS if kind not in ("a reset token", "no token")])
def test_no_other_token_resets_a_password(services: Services, cast_of: Cast, kind: str) -> None:
    body = {"reset_token": TOKENS[kind](cast_of), "password": "Another-1-word"}
    assert services.anyone.post("/recover/reset", json=body).status_code == 400
