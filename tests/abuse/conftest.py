"""A stack that the attacks share: each leaves it running, or its test fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.abuse.compose import ContainerStack, container_stack
from support.abuse.honest import HonestUserLate
from support.abuse.stack import AttackedStack, attacked_stack

_TRIES = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An honest user who was late gets more tries, and nothing else does.

    On a machine that others starve anybody may be late once; beside an attack that holds people up, one is every time.
    """
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.flaky(reruns=_TRIES, only_rerun=[HonestUserLate.__name__]))


@pytest.fixture(scope="session")
def shared_stack() -> Iterator[AttackedStack]:
    """With the defaults and a database of its own."""
    with attacked_stack() as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: AttackedStack) -> AttackedStack:
    """The shared stack, once every component is healthy."""
    shared_stack.wait_until_running()
    return shared_stack


@pytest.fixture(scope="session")
def containers() -> Iterator[ContainerStack]:
    """A stack in containers, to be reached through a proxy on this machine."""
    with container_stack("trusted_proxies: [127.0.0.1]") as stack:
        yield stack
