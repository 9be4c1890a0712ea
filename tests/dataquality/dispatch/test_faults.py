"""What breaks in the middle loses nothing: real processes, killed for real."""

import asyncio
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import func, make_url, select

from dataquality.model import OutboxEvent, Task
from support.collaborations import World
from support.databases import PostgresServer, sync_engine
from support.processes import free_port
from support.services import Services, running_services
from support.sockets import Socket, opened
from support.valkey import ValkeyServer


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A server of this module's own: its tests stop it."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def services(
    postgres_server: PostgresServer, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """Services of this module's own: its tests kill them."""
    with (
        postgres_server.migrated_database() as url,
        running_services(tmp_path_factory.mktemp("services"), url, valkey.url) as running,
    ):
        yield running


def connect(services: Services) -> psycopg.Connection[Any]:
    url = make_url(services.database_url)
    return psycopg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database, autocommit=True
    )


async def test_a_redis_that_restarts_loses_no_event(world: World, services: Services, valkey: ValkeyServer):
    socket = Socket()
    await socket.open(services, world.sites[0].api.token)
    await socket.hears("node-online")
    valkey.stop(signal=signal.SIGKILL)
    while_away = [world.ask()["id"] for _ in range(3)]
    [result] = world.sites[0].open_results(task_id=while_away[0])
    started = {"started_at": "2026-11-23T10:00:00"}
    assert world.sites[0].api.patch(f"/result/{result['id']}", json=started).status_code == 200
    valkey.start()
    for task in while_away:
        await socket.hears("new_task", task)
    await socket.hears("status_update", {"result_id": result["id"]})
    afterwards = world.ask()["id"]
    await socket.hears("new_task", afterwards)
    assert socket.arguments("disconnect") == []
    await socket.close()


@contextmanager
def dawdling(database: psycopg.Connection[Any], world: World) -> Generator[None]:
    """To mark a task of this world as told takes for ever: that is when the worker is killed.

    Nothing else is held up: the nodes of other tests still come and go.
    """
    database.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$"
    )
    told = sql.SQL("NEW.sent_at IS NOT NULL AND NEW.event = 'new_task' AND NEW.collaboration_id = {}").format(world.id)
    trigger = "CREATE TRIGGER dawdle BEFORE UPDATE ON outbox FOR EACH ROW WHEN ({}) EXECUTE FUNCTION dawdle()"
    database.execute(sql.SQL(trigger).format(told))
    try:
        yield
    finally:
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'UPDATE outbox%' AND pid <> pg_backend_pid()"
        )
        database.execute("DROP TRIGGER dawdle ON outbox")
        database.execute("DROP FUNCTION dawdle")


async def test_a_worker_that_dies_between_emitting_and_marking_repeats_the_event(world: World, services: Services):
    async with opened(services, world.sites[0].api.token) as socket:
        await socket.settle()
        with connect(services) as database, dawdling(database, world):
            task = world.ask()
            await socket.hears("new_task", task["id"])
            services.kill("worker")
        services.start("worker")
        await socket.hears("new_task", task["id"], times=2)
        told = [name for name, _ in socket.heard if name in ("task_created", "new_task")]
        # Where Redis is slow to say that it had one, that one comes twice in a row.
        assert [name for name, _ in groupby(told)] == ["task_created", "new_task"] * 2


async def test_a_task_that_is_rolled_back_tells_nobody(world: World, services: Services):
    async with opened(services, world.sites[0].api.token) as socket:
        await socket.hears("node-online")
        with connect(services) as database, connect(services) as lock:
            # The task and its results are written, its events wait for this lock: then the connection breaks.
            lock.autocommit = False
            lock.execute("LOCK TABLE outbox IN SHARE MODE")
            asking = asyncio.create_task(asyncio.to_thread(world.researcher.post, "/task", json=world.question()))
            # Whoever has written a task: the end of another test's socket has something to tell as well.
            waiting = (
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO outbox%'"
                " AND pid IN (SELECT pid FROM pg_locks"
                " WHERE relation = 'task'::regclass AND mode = 'RowExclusiveLock')"
            )
            # It waits for a lock for so long only; if that is over before we look, it is rolled back as well.
            while (row := database.execute(waiting).fetchone()) is None and not asking.done():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            if row is not None:
                database.execute("SELECT pg_terminate_backend(%s)", row)
            lock.rollback()
        answer = await asking
        assert (answer.status_code, isinstance(answer.json()["msg"], str)) == (503, True)
        assert world.researcher.get("/task").json() == []
        after = world.ask()
        await socket.hears("new_task", after["id"])
        assert {news["task_id"] for (news,) in socket.arguments("task_created")} == {after["id"]}
    with sync_engine(services.database_url).connect() as reading:
        tasks = select(func.count()).where(Task.collaboration_id == world.id)
        events = select(func.count()).where(OutboxEvent.collaboration_id == world.id, OutboxEvent.event == "new_task")
        assert (reading.scalar(tasks), reading.scalar(events)) == (1, 1)


async def test_killed_parts_that_come_back_bring_a_reconnected_node_its_task(world: World, services: Services):
    socket = Socket(reconnection=True)
    await socket.open(services, world.sites[0].api.token)
    await socket.hears("node-online")
    for part in ("worker", "beat"):
        services.kill(part)
    task = world.ask()
    services.kill("dispatch")
    await socket.hears("disconnect")
    for part in ("dispatch", "worker", "beat"):
        services.start(part)
    await socket.hears("connect", times=2)
    await socket.hears("new_task", task["id"])
    await socket.hears("new_task", world.ask()["id"])
    await socket.close()
    services.wait_ready("dispatch")


async def test_a_node_that_comes_while_the_database_is_away_is_let_in_later(world: World, services: Services):
    token, administration = world.sites[0].api.token, make_url(services.database_url)
    change = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    name = str(administration.database)
    socket = Socket(reconnection=True)
    with psycopg.connect(
        host=administration.host, port=administration.port, user=administration.username,
        password=administration.password, dbname="postgres", autocommit=True,
    ) as server:  # fmt: skip
        server.execute(change.format(sql.Identifier(name), sql.Literal(False)))
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        for part in ("dispatch", "worker", "beat"):
            address = f"{services.addresses[part]}/internal/ready"
            answer = await asyncio.to_thread(httpx.get, address, timeout=30, trust_env=False)
            assert (answer.status_code, "database" in answer.text) == (503, True)
        await socket.open(services, token)
        await socket.hears("disconnect")
        server.execute(change.format(sql.Identifier(name), sql.Literal(True)))
    await socket.hears("node-online")
    await socket.hears("new_task", world.ask()["id"])
    await socket.close()
    for part in ("dispatch", "worker", "beat"):
        services.wait_ready(part)


async def test_two_instances_of_the_service_bring_events_to_the_nodes_of_both(world: World, services: Services):
    second = Services(
        services.folder,
        services.database_url,
        services.redis_url,
        services.addresses | {"dispatch": f"http://127.0.0.1:{free_port()}"},
        services.environment,
    )
    second.start("dispatch")
    try:
        second.wait_ready("dispatch")
        async with (
            opened(services, world.sites[0].api.token) as here,
            opened(second, world.sites[1].api.token) as there,
            opened(second, world.sites[0].api.token) as twin,
        ):
            for socket in (here, there, twin):
                await socket.settle()
            task = world.ask()
            for socket in (here, there, twin):
                await socket.hears("new_task", task["id"])
            # One of two sockets on two instances closes: the node is still there.
            await here.close()
            title = f"Node <{world.sites[0].node['name']}>"
            await there.hears("message", f"{title} left room <collaboration_{world.id}>")
            await twin.hears("new_task", world.ask()["id"])
            assert there.arguments("node-offline") == []
    finally:
        second.stop()
