"""Fixtures for tests of the dispatch service."""

import pytest

from support.collaborations import World, new_world
from support.services import Services

_common: dict[str, World] = {}


@pytest.fixture
def world(services: Services) -> World:
    """A collaboration of two organizations, each with a node; new for each test."""
    return new_world(services)


@pytest.fixture
def common_world(services: Services) -> World:
    """A collaboration of two organizations that many tests use: for what needs nothing to be there or not there."""
    if services.database_url not in _common:
        _common[services.database_url] = new_world(services)
    return _common[services.database_url]
