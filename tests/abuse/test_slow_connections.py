"""Connections that send a request as slowly as they can: they are cut, and nobody waits for them."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from support.abuse.honest import honest_user_beside
from support.abuse.slow import SlowRequest, close_all
from support.abuse.stack import AttackedStack

NUMBER = 400
HEADER_SECONDS = 20
"""The gateway gives a head 10 s."""
BODY_SECONDS = 90
"""A body without a token gets 10 s of its service, and a minute after its last read byte of the gateway."""


@contextmanager
def slow(stack: AttackedStack, begin: Callable[[SlowRequest], object]) -> Generator[list[SlowRequest]]:
    requests = [SlowRequest(stack.port) for _ in range(NUMBER)]
    try:
        for request in requests:
            begin(request)
        yield requests
    finally:
        close_all(requests)


def still_open(requests: list[SlowRequest], seconds: float) -> int:
    """How many are still open after they sent a byte a second for so long."""
    ended, left = time.monotonic() + seconds, requests
    while left and time.monotonic() < ended:
        time.sleep(1)
        left = [request for request in left if request.send("x") and request.status(0.001) is None]
    return len(left)


def test_slow_heads_are_cut_and_nobody_waits_for_them(stack: AttackedStack) -> None:
    def begin(request: SlowRequest) -> None:
        request.send("GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")

    with honest_user_beside(stack), slow(stack, begin) as requests:
        assert still_open(requests, HEADER_SECONDS) == 0


def test_slow_bodies_without_a_token_are_cut_and_nobody_waits_for_them(stack: AttackedStack) -> None:
    def begin(request: SlowRequest) -> None:
        request.begin("POST", "/api/token/user", 1000)

    with honest_user_beside(stack), slow(stack, begin) as requests:
        assert still_open(requests, BODY_SECONDS) == 0


def test_idle_connection_of_an_honest_client_is_kept(stack: AttackedStack) -> None:
    request = SlowRequest(stack.port, source="127.0.0.1")
    for pause in (0, 15):
        time.sleep(pause)
        request.send("GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert request.status(20) == 200
    request.close()
