"""A stack that the attacks share: each leaves it running, or its test fails."""

from collections.abc import Iterator

import pytest

from support.abuse.compose import ContainerStack, container_stack
from support.abuse.stack import AttackedStack, attacked_stack


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
