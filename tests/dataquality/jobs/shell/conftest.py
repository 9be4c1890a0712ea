"""The shell on a database of the test's own."""

from collections.abc import Iterator

import pytest

from support.shell import Shell, shell_on


@pytest.fixture
def shell(database_url: str) -> Iterator[Shell]:
    """Once on each kind of database."""
    with shell_on(database_url) as opened:
        yield opened


@pytest.fixture
def shell_on_sqlite(sqlite_url: str) -> Iterator[Shell]:
    """For what has nothing to do with the kind of database."""
    with shell_on(sqlite_url) as opened:
        yield opened
