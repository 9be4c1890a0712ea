"""Bodies of requests without a valid token: small, and soon complete."""

import json
import time
from collections.abc import Iterator

import pytest

from support.services import Services

JSON = {"Content-Type": "application/json"}
MOST = 64 * 1024


def sign_in_of(size: int) -> bytes:
    """The body of a sign-in with so many bytes."""
    body = {"username": "nobody", "password": "x", "more": ""}
    return json.dumps(body | {"more": "A" * (size - len(json.dumps(body)))}).encode()


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize(("size", "status"), [(MOST, 401), (MOST + 1, 413)])
def test_body_without_token_has_64_kib_at_most(services: Services, size: int, status: int, is_streamed: bool) -> None:
    body = sign_in_of(size)
    content = iter([body[:1000], body[1000:]]) if is_streamed else body
    answer = services.anyone.post("/token/user", content=content, headers=JSON)
    assert answer.status_code == status
    assert status == 401 or "64 KiB" in answer.json()["msg"]


def test_body_without_token_that_stalls_is_cut_with_the_reason(auth_on_sqlite: Services) -> None:
    def stalled() -> Iterator[bytes]:
        yield b"{"
        time.sleep(12)
        yield b"}"

    answer = auth_on_sqlite.anyone.post("/token/user", content=stalled(), headers=JSON | {"Content-Length": "2"})
    assert (answer.status_code, answer.json()["code"]) == (408, "too_slow")
    assert "10 seconds" in answer.json()["msg"]
