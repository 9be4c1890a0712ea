"""What the tests of the entity service begin with."""

import pytest

from support.arrange import Arrangement
from support.services import Api, Services
from support.world import World, make_world


@pytest.fixture
def there(services: Services) -> Arrangement:
    """What other services would have made."""
    return Arrangement(services)


@pytest.fixture
def world(root: Api) -> World:
    """Organizations, collaborations and nodes."""
    return make_world(root)


@pytest.fixture
def node(services: Services, world: World) -> Api:
    """The node of the first organization, signed in."""
    return services.login_node(world.api_key)


@pytest.fixture
def container(node: Api, world: World, there: Arrangement) -> Api:
    """An algorithm at work on a task of the collaboration, on that node."""
    task = there.task(world.collaboration, world.own, image="algorithm")
    token = node.made("/token/container", {"task_id": task, "image": "algorithm"})["container_token"]
    return Api(node.addresses, token)
