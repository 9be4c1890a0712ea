"""Fixtures for tests of the dispatch service."""

import pytest

from support.collaborations import World, new_world
from support.services import Services


@pytest.fixture
def world(services: Services) -> World:
    """A collaboration of two organizations, each with a node; new for each test."""
    return new_world(services)
