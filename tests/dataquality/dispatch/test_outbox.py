"""The outbox: in order within a collaboration, at least once, by as many workers as there are."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any, cast

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisIsAway
from sqlalchemy import func, insert, select, update

from dataquality.core.database import create_autocommit_engine
from dataquality.dispatch.outbox import claims
from dataquality.dispatch.outbox.claims import Outbox
from dataquality.dispatch.outbox.drain import drain
from dataquality.dispatch.redis_sync import connect_redis_sync
from dataquality.dispatch.sockets.managers import NobodyListens, RoomEmitter
from dataquality.model import OutboxEvent
from support.databases import sync_engine
from support.valkey import ValkeyServer

DATABASE = 3
CHANNEL = f"dataquality:events:{DATABASE}"
LAST = "that was all"


@pytest.fixture(autouse=True)
def no_lease_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a starved machine two steps may lie further apart than a lease is long; then another emits, and rightly."""
    monkeypatch.setattr(claims, "LEASE", timedelta(hours=1))


def patient(url: str) -> Any:
    """A client that waits for an answer however long it takes."""
    return cast(Any, Redis).from_url(url, decode_responses=True, socket_timeout=None)


class Listener:
    """Reads what is published, as an instance of the service would."""

    def __init__(self, url: str) -> None:
        # A client that ends takes its connections along, so this one is kept.
        self._client = patient(url)
        self._channel = self._client.pubsub()
        self._channel.subscribe(CHANNEL)
        assert next(self._channel.listen())["type"] == "subscribe"

    def heard(self) -> list[dict[str, Any]]:
        """All that was published since the last call: what comes before something of our own does."""
        self._client.publish(CHANNEL, LAST)
        messages = (message["data"] for message in self._channel.listen())
        return [json.loads(data) for data in takewhile(lambda data: data != LAST, messages)]

    def close(self) -> None:
        self._channel.close()


@pytest.fixture
def redis_url(valkey_server: ValkeyServer) -> str:
    return valkey_server.database(DATABASE)


@pytest.fixture
def listener(redis_url: str) -> Iterator[Listener]:
    listener = Listener(redis_url)
    yield listener
    listener.close()


def outbox(url: str, claimant: str = "me") -> Outbox:
    return Outbox(create_autocommit_engine(url), claimant)


def emitter(redis_url: str) -> RoomEmitter:
    # The worker's own client publishes again where the answer is late.
    return RoomEmitter(patient(redis_url))


def append(url: str, count: int, collaborations: tuple[int | None, ...] = (1,)) -> None:
    rows = [
        {"event": "new_task", "payload": [number], "room": f"room {one}", "collaboration_id": one}
        for number in range(count)
        for one in collaborations
    ]
    with sync_engine(url).begin() as connection:
        connection.execute(insert(OutboxEvent), rows)


def unsent(url: str) -> int:
    with sync_engine(url).connect() as connection:
        return connection.scalar(select(func.count()).where(OutboxEvent.sent_at.is_(None))) or 0


def test_events_are_published_with_their_arguments_and_marked(database_url: str, redis_url: str, listener: Listener):
    rows: list[dict[str, Any]] = [
        {"event": "none", "payload": [], "room": "r", "collaboration_id": 1},
        {"event": "one", "payload": [{"a": 1}], "room": "r", "collaboration_id": None},
        {"event": "two", "payload": ["", 2], "room": "r", "collaboration_id": 1},
    ]
    with sync_engine(database_url).begin() as connection:
        connection.execute(insert(OutboxEvent), rows)
    assert drain(outbox(database_url), emitter(redis_url)) == 3
    heard = {message["event"]: message for message in listener.heard()}
    assert {event: message["data"] for event, message in heard.items()} == {
        "none": [],
        "one": [{"a": 1}],
        "two": ["", 2],
    }
    assert {(message["room"], message["namespace"]) for message in heard.values()} == {("r", "/tasks")}
    assert unsent(database_url) == 0
    assert drain(outbox(database_url), emitter(redis_url)) == 0


def test_several_workers_at_once_keep_the_order_and_repeat_nothing(
    database_url: str, redis_url: str, listener: Listener
):
    collaborations = (1, 2, 3, None)
    append(database_url, 150, collaborations)

    def work(number: int) -> int:
        mine, sent = outbox(database_url, f"worker {number}"), 0
        for _ in range(3):
            sent += drain(mine, emitter(redis_url))
        return sent

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 150 * len(collaborations)
    by_room: defaultdict[str, list[int]] = defaultdict(list)
    for message in listener.heard():
        by_room[message["room"]].append(message["data"][0])
    assert by_room == {f"room {one}": list(range(150)) for one in collaborations}
    assert unsent(database_url) == 0


def test_what_nobody_hears_is_not_sent(database_url: str, redis_url: str):
    append(database_url, 2)
    for _ in range(2):
        with pytest.raises(NobodyListens):
            drain(outbox(database_url), emitter(redis_url))
    assert unsent(database_url) == 2
    listener = Listener(redis_url)
    assert drain(outbox(database_url), emitter(redis_url)) == 2
    assert [message["data"] for message in listener.heard()] == [[0], [1]]
    listener.close()


def test_a_redis_that_is_away_costs_nothing_but_time(database_url: str, tmp_path: Any):
    append(database_url, 2)
    server = ValkeyServer(tmp_path)
    mine, sender = outbox(database_url), RoomEmitter(connect_redis_sync(server.database(DATABASE)))
    server.stop()
    with pytest.raises(RedisIsAway):
        drain(mine, sender)
    assert unsent(database_url) == 2
    server.start()
    listener = Listener(server.database(DATABASE))
    assert drain(mine, sender) == 2
    assert {message["data"][0] for message in listener.heard()} == {0, 1}
    listener.close()
    server.stop()


def test_events_of_a_claimant_that_died_are_emitted_by_another_after_its_lease(
    database_url: str, redis_url: str, listener: Listener
):
    append(database_url, 2, (1, 2))
    dead = outbox(database_url, "dead").claim()
    assert dead is not None
    assert drain(outbox(database_url), emitter(redis_url)) == 2  # those of the other collaboration
    past = datetime.now(UTC) - timedelta(seconds=10)
    with sync_engine(database_url).begin() as connection:
        held = OutboxEvent.claimed_by == "dead"
        connection.execute(update(OutboxEvent).where(held).values(claimed_until=past))
    assert drain(outbox(database_url), emitter(redis_url)) == 2
    assert Counter(message["room"] for message in listener.heard()) == {"room 1": 2, "room 2": 2}


def test_only_events_that_were_sent_long_ago_are_forgotten(database_url: str):
    append(database_url, 3)
    old = datetime.now(UTC) - timedelta(days=2)
    with sync_engine(database_url).begin() as connection:
        first = select(func.min(OutboxEvent.id)).scalar_subquery()
        connection.execute(update(OutboxEvent).values(created_at=old))
        connection.execute(update(OutboxEvent).where(OutboxEvent.id == first).values(sent_at=old))
        connection.execute(update(OutboxEvent).where(OutboxEvent.id == first + 1).values(sent_at=datetime.now(UTC)))
    assert outbox(database_url).forget_sent(timedelta(days=1)) == 1
    with sync_engine(database_url).connect() as connection:
        assert connection.scalar(select(func.count()).select_from(OutboxEvent)) == 2
