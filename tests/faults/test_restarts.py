"""Services restarted at any moment under load: requests succeed or fail as outages do, and none is half done."""

import random
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from support.collaborations import PASSWORD, World, new_world
from support.databases import PostgresServer, sync_engine
from support.gateway import Server, behind_gateway
from support.services import ROOT, Services, running_services
from support.valkey import ValkeyServer

PARTS = ("auth", "entity", "dispatch")
CLIENTS = 8
Row = dict[str, Any]


@dataclass(frozen=True)
class Attempt:
    """One request and what came of it. `status` is None when the connection broke."""

    made: str | None
    """The name of what it was to make; None for a request that makes nothing."""
    what: str
    status: int | None
    answer: Any

    @property
    def is_sound(self) -> bool:
        """It succeeded, or failed as outages do."""
        return self.status is None or self.status < 300 or self.status >= 500

    @property
    def accepted(self) -> bool:
        return self.status is not None and self.status < 300

    @property
    def refused(self) -> bool:
        """By the service, or by the gateway before it was sent on: what became of one that it lost, it cannot know."""
        return self.status is not None and self.status >= 500 and self.status not in (502, 504)


@dataclass
class Load:
    """Clients that ask without a pause, until `stop`."""

    server: Server
    world: World
    seed: int
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def start(self) -> None:
        for number in range(CLIENTS):
            thread = threading.Thread(target=self._ask, args=(random.Random(f"{self.seed}-{number}"),))
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, chance: random.Random) -> None:
        requests = [self._read, self._organization, self._user, self._collaboration, self._task, self._node_signs_in]
        with httpx.Client(base_url=f"{self.server.url}/api", timeout=60, trust_env=False) as client:
            while not self._over.is_set():
                self.attempts.append(chance.choice(requests)(client, chance))

    def _send(
        self, client: httpx.Client, method: str, path: str, token: str | None, body: Row | None = None,
        made: str | None = None,
    ) -> Attempt:  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = client.request(method, path, headers=headers, json=body)
        except httpx.TransportError:
            return Attempt(made, f"{method} {path}", None, None)
        return Attempt(made, f"{method} {path}", answer.status_code, answer.json())

    def _read(self, client: httpx.Client, chance: random.Random) -> Attempt:
        site = chance.choice(self.world.sites)
        path, token = chance.choice(
            [
                ("/user?page=1", self.world.root.token),
                ("/role/1", self.world.root.token),
                (f"/organization/{site.id}", self.world.researcher.token),
                (f"/collaboration/{self.world.id}/organization", self.world.researcher.token),
                ("/task?page=1&per_page=5&include=results", self.world.researcher.token),
                (f"/result?state=open&page=1&node_id={site.node['id']}", site.api.token),
                (f"/node/{site.node['id']}", site.api.token),
            ]
        )
        return self._send(client, "GET", path, token)

    def _organization(self, client: httpx.Client, _chance: random.Random) -> Attempt:
        name = f"organization-{secrets.token_hex(8)}"
        return self._send(client, "POST", "/organization", self.world.root.token, {"name": name}, name)

    def _user(self, client: httpx.Client, _chance: random.Random) -> Attempt:
        name = f"user-{secrets.token_hex(8)}"
        body = {"username": name, "firstname": "", "lastname": "", "email": f"{name}@mail", "password": PASSWORD}
        body |= {"organization_id": self.world.sites[0].id, "roles": [4], "rules": [1]}
        return self._send(client, "POST", "/user", self.world.root.token, body, name)

    def _collaboration(self, client: httpx.Client, _chance: random.Random) -> Attempt:
        name = f"collaboration-{secrets.token_hex(8)}"
        body = {"name": name, "organization_ids": [site.id for site in self.world.sites]}
        return self._send(client, "POST", "/collaboration", self.world.root.token, body, name)

    def _task(self, client: httpx.Client, _chance: random.Random) -> Attempt:
        name = f"task-{secrets.token_hex(8)}"
        return self._send(
            client, "POST", "/task", self.world.researcher.token, self.world.question(name=name), name
        )  # fmt: skip

    def _node_signs_in(self, client: httpx.Client, chance: random.Random) -> Attempt:
        site = chance.choice(self.world.sites)
        if chance.random() < 0.5:
            return self._send(client, "POST", "/token/node", None, {"api_key": site.node["api_key"]})
        return self._send(client, "POST", "/token/refresh", site.api.tokens["refresh_token"])


@pytest.fixture
def server(
    postgres_server: PostgresServer, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Services of the test's own behind a gateway: the test kills them."""
    folder, redis = tmp_path_factory.mktemp("restarts"), valkey_server.database(41)
    with (
        postgres_server.migrated_database() as url,
        running_services(folder, url, redis) as services,
        behind_gateway(services) as server,
    ):
        yield server


def restart(services: Services, part: str, ending: signal.Signals) -> None:
    if ending == signal.SIGKILL:
        services.kill(part)
    else:
        process = services.processes.pop(part)
        process.send_signal(ending)
        # It lets open requests end; for ever would be a fault.
        process.wait(60)
    services.start(part)
    services.wait_ready(part)


# What belongs to one of each kind, by its name: all of it is there, or nothing.
WHOLE: dict[str, tuple[str, Row]] = {
    "organization": ("SELECT count(*) AS itself FROM organization WHERE name = :name", {"itself": 1}),
    "user": (
        'SELECT count(*) AS itself, (SELECT count(*) FROM permission WHERE user_id = min(u.id)) AS roles,'
        " (SELECT count(*) FROM userpermission WHERE user_id = min(u.id)) AS rules,"
        " (SELECT count(*) FROM audit WHERE action = 'user_created' AND subject_id = min(u.id)) AS told"
        ' FROM "user" u WHERE username = :name',
        {"itself": 1, "roles": 1, "rules": 1, "told": 1},
    ),
    "collaboration": (
        "SELECT count(*) AS itself, (SELECT count(*) FROM member WHERE collaboration_id = min(c.id)) AS members"
        " FROM collaboration c WHERE name = :name",
        {"itself": 1, "members": 2},
    ),
    "task": (
        "SELECT count(*) AS itself, (SELECT count(*) FROM result WHERE task_id = min(t.id)) AS results,"
        " (SELECT count(*) FROM resultcontent JOIN result ON result.id = result_id"
        "  WHERE task_id = min(t.id) AND input IS NOT NULL) AS inputs,"
        " (SELECT count(*) FROM outbox WHERE event = 'new_task' AND (payload ->> 0) = min(t.id)::text) AS events,"
        " (SELECT count(*) FROM outbox WHERE event = 'task_created'"
        "  AND (payload -> 0 ->> 'task_id') = min(t.id)::text) AS news"
        " FROM task t WHERE name = :name",
        {"itself": 1, "results": 2, "inputs": 2, "events": 1, "news": 1},
    ),
}  # fmt: skip


def half_done(services: Services, attempts: list[Attempt]) -> list[tuple[Attempt, Row]]:
    """Attempts after which something else is in the database than should be."""
    wrong: list[tuple[Attempt, Row]] = []
    with sync_engine(services.database_url).connect() as connection:
        for attempt in attempts:
            if attempt.made is None:
                continue
            statement, whole = WHOLE[attempt.made.partition("-")[0]]
            found = dict(connection.execute(text(statement), {"name": attempt.made}).mappings().one())
            nothing = dict.fromkeys(whole, 0)
            allowed = [whole] if attempt.accepted else [nothing] if attempt.refused else [whole, nothing]
            if found not in allowed:
                wrong.append((attempt, found))
        orphans = (
            "SELECT count(*) FROM authenticatable a WHERE NOT EXISTS"
            ' (SELECT 1 FROM "user" WHERE id = a.id) AND NOT EXISTS (SELECT 1 FROM node WHERE id = a.id)'
        )
        assert connection.scalar(text(orphans)) == 0
    return wrong


def no_transaction_is_open(services: Services) -> bool:
    statement = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
    )
    with sync_engine(services.database_url).connect() as connection:
        return connection.scalar(statement) == 0


def wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def hold(server: Server, seed: int, rounds: int) -> None:
    """Restart parts in so many rounds, each of all parts in both ways."""
    services, world = server.services, new_world(server.services)
    assert world.researcher.token
    assert all(site.api.token for site in world.sites)
    load, chance = Load(server, world, seed), random.Random(seed)
    load.start()
    try:
        for _ in range(rounds):
            endings = [(part, ending) for part in PARTS for ending in (signal.SIGTERM, signal.SIGKILL)]
            for part, ending in chance.sample(endings, len(endings)):
                time.sleep(chance.random())
                restart(services, part, ending)
    finally:
        load.stop()
    outcomes = Counter((attempt.what, attempt.status) for attempt in load.attempts)
    print(f"seed {seed}:", *sorted(outcomes.items(), key=str), sep="\n")
    unsound = [attempt for attempt in load.attempts if not attempt.is_sound]
    assert not unsound, f"seed {seed}: {unsound[:5]}"
    wait(lambda: no_transaction_is_open(services))
    wrong = half_done(services, load.attempts)
    assert not wrong, f"seed {seed}: {wrong[:5]}"
    # Else the run would show nothing.
    assert {kind for attempt in load.attempts if attempt.accepted and attempt.made for kind in [attempt.made[:4]]} == {
        "orga", "user", "coll", "task",
    }  # fmt: skip
    assert httpx.get(f"{server.url}/api/version", timeout=60, trust_env=False).status_code == 200
    assert services.login(*ROOT).token


def test_restarts_under_load_cost_nobody_a_wrong_answer_and_leave_nothing_half_done(server: Server):
    hold(server, seed=20261124, rounds=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_restarts_under_load_do_no_harm_either(server: Server, seed: int):
    hold(server, seed, rounds=20)
