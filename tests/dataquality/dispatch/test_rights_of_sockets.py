"""A socket ends with the rights that it was opened with; what comes again gets what is its own."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from support.arrange import Arrangement
from support.collaborations import World, new_world
from support.services import Services
from support.sockets import Socket, opened

# The promise is about a second. What renews the leases of sockets, and once did this too, comes round in fifteen.
# Counted in looks and not by a clock: time in which nothing of the machine runs is nobody's delay.
LOOKS = 100
Change = Callable[["Watched"], None]


class Watched:
    """A user who hears the events of a collaboration by a rule of their own and by one of a role."""

    def __init__(self, services: Services) -> None:
        self.there = Arrangement(services)
        self.world = new_world(services)
        self.root = self.world.root
        self.rule = self.there.rule("event", "VIEW", "COLLABORATION")
        self.role = self.root.made("/role", {"name": "listener", "description": "", "rules": [self.rule]})["id"]
        self.user = self.there.user(self.world.sites[0].id, roles=[self.role])
        self.socket = Socket(reconnection=True)

    def patch(self, path: str, **body: object) -> None:
        assert self.root.patch(path, json=body).status_code == 200

    def delete(self, path: str) -> None:
        assert self.root.delete(path).status_code == 200


CHANGES: dict[str, Change] = {
    "the role is taken": lambda it: it.patch(f"/user/{it.user}", roles=[]),
    "the role's rule is taken": lambda it: it.patch(f"/role/{it.role}", rules=[]),
    "the role is deleted": lambda it: it.delete(f"/role/{it.role}"),
    "the user is deleted": lambda it: it.delete(f"/user/{it.user}"),
    "the database is changed past the services": lambda it: it.there.run(
        "UPDATE authenticatable SET stamp = 1 - stamp WHERE id = :id", id=it.user
    ),
}


@pytest.fixture
async def watched(services_on_sqlite: Services) -> AsyncIterator[Watched]:
    watched = Watched(services_on_sqlite)
    await watched.socket.open(services_on_sqlite, watched.there.token(watched.user, "user"))
    await watched.socket.hears("message")
    yield watched
    await watched.socket.close()


@pytest.mark.parametrize("change", CHANGES)
async def test_the_socket_of_a_user_ends_soon_after_their_rights_change(watched: Watched, change: str) -> None:
    CHANGES[change](watched)
    await ends_soon(watched.socket)


async def ends_soon(socket: Socket) -> None:
    for _ in range(LOOKS):
        if socket.arguments("disconnect"):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the socket outlived its rights: {socket.heard}")


async def test_a_user_who_comes_again_hears_what_the_new_rights_allow(
    watched: Watched, services_on_sqlite: Services
) -> None:
    world = watched.world
    watched.patch(f"/role/{watched.role}", rules=[])
    await watched.socket.hears("connect", times=2)
    async with opened(services_on_sqlite, world.sites[0].api.token) as witness:
        await witness.hears("new_task", world.ask()["id"])
    assert watched.socket.arguments("new_task") == []
    watched.patch(f"/role/{watched.role}", rules=[watched.rule])
    await watched.socket.hears("message", times=2)
    await watched.socket.hears("new_task", world.ask()["id"])


async def test_users_hear_of_the_collaborations_that_their_organization_joins_and_of_none_that_it_leaves(
    watched: Watched, services_on_sqlite: Services
) -> None:
    own, other = watched.world.sites[0].id, new_world(services_on_sqlite, 1)
    socket, path = watched.socket, f"/collaboration/{other.id}/organization"
    assert other.root.post(path, json={"id": own}).status_code == 200
    await hears_another(socket, other)
    assert other.root.request("DELETE", path, json={"id": own}).status_code == 200
    await hears_no_more(socket, other)
    await socket.hears("new_task", watched.world.ask()["id"])
    assert socket.arguments("disconnect") == []


async def hears_another(socket: Socket, world: World) -> None:
    """A task is asked again and again until its event is heard."""
    asked = set[int]()
    for _ in range(LOOKS // 5):
        asked.add(world.ask()["id"])
        await asyncio.sleep(0.5)
        if asked & {task for (task,) in socket.arguments("new_task")}:
            return
    raise AssertionError(f"none of the tasks {asked} was heard: {socket.heard}")


async def hears_no_more(socket: Socket, world: World) -> None:
    """The same until it is not."""
    async with opened(world.services, world.sites[0].api.token) as witness:
        await witness.settle()
        for _ in range(LOOKS // 5):
            task = world.ask()["id"]
            await witness.hears("new_task", task)
            await asyncio.sleep(0.5)
            if (task,) not in socket.arguments("new_task"):
                return
    raise AssertionError(f"all tasks are still heard: {socket.heard}")


def new_key(world: World) -> None:
    """Its tokens are void."""
    assert world.root.post("/recover/node", json={"id": world.sites[0].node["id"]}).status_code == 200


def moves(world: World) -> None:
    site, elsewhere = world.sites[0], new_world(world.services, 1)
    [member] = elsewhere.sites
    organizations = {"organization_ids": [member.id, site.id]}
    assert world.root.patch(f"/collaboration/{elsewhere.id}", json=organizations).status_code == 200
    body = {"collaboration_id": elsewhere.id}
    assert world.root.patch(f"/node/{site.node['id']}", json=body).status_code == 200


@pytest.mark.parametrize("change", [new_key, moves])
async def test_the_socket_of_a_node_ends_soon_after_its_key_or_its_place_changes(
    services_on_sqlite: Services, change: Callable[[World], None]
) -> None:
    world = new_world(services_on_sqlite)
    async with opened(services_on_sqlite, world.sites[0].api.token) as socket:
        await socket.hears("node-online")
        change(world)
        await ends_soon(socket)
