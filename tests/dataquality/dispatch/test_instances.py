"""Several instances of the service behind the real gateway: to clients they are one, and one may die."""

import asyncio
import dataclasses
import os
import signal
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import httpx
import pytest

from support.collaborations import Site, World, new_world
from support.databases import PostgresServer, SqliteFiles
from support.gateway import Server, behind_gateway
from support.services import Api, Services, running_services
from support.sockets import Socket, opened
from support.valkey import ValkeyServer

PARTS = ("auth", "entity", "dispatch", "dispatch-2", "worker", "beat")
END = {"result": "r", "finished_at": "2026-11-23T10:00:00"}
TRANSPORTS = [["polling", "websocket"], ["polling"], ["websocket"]]


@contextmanager
def two_instances(
    folders: pytest.TempPathFactory, databases: PostgresServer | SqliteFiles, valkey: ValkeyServer
) -> Generator[Server]:
    """All services behind a gateway, two of dispatch."""
    with (
        databases.migrated_database() as url,
        running_services(folders.mktemp("services"), url, valkey.url, PARTS) as services,
        behind_gateway(services) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Generator[ValkeyServer]:
    """A server of this module's own: its tests empty it."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer, valkey: ValkeyServer
) -> Generator[Server]:
    with two_instances(tmp_path_factory, postgres_server, valkey) as server:
        yield server


@pytest.fixture
def services(server: Server) -> Services:
    """The services as one sees them through the gateway."""
    return through(server)


def through(server: Server) -> Services:
    addresses = dict.fromkeys(server.services.addresses, server.url)
    return dataclasses.replace(server.services, addresses=addresses)


def instance_of(socket: Socket) -> str:
    """Which instance holds the connection: its id begins with the number."""
    return socket.id.partition("-")[0]


async def on_both(stack: AsyncExitStack, services: Services, site: Site, **arguments: Any) -> dict[str, Socket]:
    """A socket of the site's node on each instance."""
    found: dict[str, Socket] = {}
    for _ in range(20):
        socket = await stack.enter_async_context(opened(services, site.api.token, **arguments))
        await socket.settle()
        found.setdefault(instance_of(socket), socket)
        if len(found) == 2:
            return found
    raise AssertionError("20 connections all came to one instance")


@pytest.mark.parametrize("transports", TRANSPORTS)
async def test_clients_of_either_instance_hear_each_event_once(
    world: World, services: Services, transports: list[str]
) -> None:
    async with AsyncExitStack() as stack:
        sockets = await on_both(stack, services, world.sites[0], transports=transports)
        tasks = [world.ask()["id"] for _ in range(5)]
        for socket in sockets.values():
            for task in tasks:
                await socket.hears("new_task", task)
        last = world.ask()["id"]
        for socket in sockets.values():
            await socket.hears("new_task", last)
            created = [told["task_id"] for (told,) in socket.arguments("task_created")]
            assert created == [*tasks, last]


async def test_the_same_on_sqlite(
    tmp_path_factory: pytest.TempPathFactory, sqlite_files: SqliteFiles, valkey_server: ValkeyServer
) -> None:
    with two_instances(tmp_path_factory, sqlite_files, valkey_server) as server:
        services = through(server)
        world = new_world(services)
        async with AsyncExitStack() as stack:
            sockets = await on_both(stack, services, world.sites[0])
            asked = [asyncio.to_thread(world.ask) for _ in range(10)]
            for task in await asyncio.gather(*asked):
                for socket in sockets.values():
                    await socket.hears("new_task", task["id"])


def reads(api: Api, times: int) -> set[int]:
    """The answers to so many requests."""
    return {api.get("/task").status_code for _ in range(times)}


async def test_when_an_instance_dies_its_clients_move_on_and_requests_are_answered(
    world: World, server: Server, services: Services
) -> None:
    async with AsyncExitStack() as stack:
        # The first, whom the other services know best.
        socket = (await on_both(stack, services, world.sites[0], reconnection=True))["1"]
        await socket.hears("node-online")
        with killed(server.services, "dispatch"):
            assert await asyncio.to_thread(reads, world.researcher, 50) == {200}
            task = await asyncio.to_thread(world.ask)
            await socket.hears("connect", times=2)
            assert instance_of(socket) == "2"
            await socket.hears("new_task", task["id"])
            # The other services find the instance that is left.
            extra = new_world(services)
            assert extra.root.delete(f"/collaboration/{extra.id}").status_code == 200


@contextmanager
def killed(services: Services, part: str) -> Generator[None]:
    """The part is dead for the block."""
    services.kill(part)
    try:
        yield
    finally:
        services.start(part)
        services.wait_ready(part)


async def test_an_instance_that_hangs_is_passed_over(world: World, server: Server, services: Services) -> None:
    process = server.services.processes["dispatch"]
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(are_answered, server, world.researcher):
                pass
        async with opened(services, world.sites[0].api.token) as socket:
            assert instance_of(socket) == "2"
            await socket.hears("new_task", (await asyncio.to_thread(world.ask))["id"])
    finally:
        os.killpg(process.pid, signal.SIGCONT)
    server.services.wait_ready("dispatch")


def are_answered(server: Server, api: Api) -> bool:
    headers = {"Authorization": f"Bearer {api.token}"}
    with httpx.Client(base_url=f"{server.url}/api", headers=headers, timeout=2, trust_env=False) as client:
        try:
            return {client.get("/task").status_code for _ in range(10)} == {200}
        except httpx.TimeoutException:
            return False


async def test_a_node_that_comes_and_goes_a_hundred_times_is_online_in_the_end_with_every_task(
    world: World, services: Services
) -> None:
    site = world.sites[0]
    heard: set[int] = set()
    asked: set[int] = set()
    for number in range(100):
        socket = Socket()
        await socket.open(services, site.api.token, transports=TRANSPORTS[number % 3])
        if number % 10 == 0:
            asked.add((await asyncio.to_thread(world.ask))["id"])
        await socket.drop()
        heard |= {task for (task,) in socket.arguments("new_task")}
    async with opened(services, site.api.token) as socket:
        for task in asked:
            await socket.hears("new_task", task)
        asked.add((await asyncio.to_thread(world.ask))["id"])
        await socket.hears("new_task", max(asked))
        # What the ends of the old connections bring about comes late, and must not make it offline.
        await asyncio.sleep(2)
        assert world.root.get(f"/node/{site.node['id']}").json()["status"] == "online"
    assert {result["task"]["id"] for result in site.open_results()} == asked


async def test_a_redis_that_forgets_all_in_the_middle_loses_nothing(
    world: World, services: Services, valkey: ValkeyServer
) -> None:
    site = world.sites[0]
    async with AsyncExitStack() as stack:
        sockets = await on_both(stack, services, site)
        asked: list[int] = []
        for number in range(30):
            if number % 10 == 5:
                valkey.forget_all()
            asked.append((await asyncio.to_thread(world.ask))["id"])
        for socket in sockets.values():
            for task in asked:
                await socket.hears("new_task", task)
            assert socket.arguments("disconnect") == []
        assert world.root.get(f"/node/{site.node['id']}").json()["status"] == "online"
        for task in asked:
            [result] = site.open_results(task_id=task)
            answer = site.api.patch(
                f"/result/{result['id']}", json={"result": "r", "finished_at": "2026-11-23T10:00:00"}
            )
            assert answer.status_code == 200
        assert site.open_results() == []
