"""Fixtures of the local driver's tests."""

from collections.abc import Iterator

import pytest

from support.local import Home, new_home


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home of the test's own; this process looks there as well."""
    with new_home() as made:
        for name, value in made.variables.items():
            if name != "PATH":
                monkeypatch.setenv(name, value)
        yield made
