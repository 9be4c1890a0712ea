"""One started stack for all that is asked of the API's description: what is fuzzed is not for others to use."""

from collections.abc import Iterator

import pytest

from support.fuzzed import Stack, started_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Started by `vserver start`, stopped after the session."""
    with started_stack() as stack:
        yield stack
