"""The two ends of the channel in Redis that carries events to the instances of this service.

The library's own Redis manager swallows a failed publish, and pauses for up to a minute before it listens again.
These raise, and listen again within a second.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, cast

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from socketio.async_pubsub_manager import AsyncPubSubManager  # pyright: ignore[reportMissingTypeStubs]
from socketio.pubsub_manager import PubSubManager  # pyright: ignore[reportMissingTypeStubs]

from dataquality.core.redis import RedisClient

log = structlog.stdlib.get_logger(__name__)
NAMESPACE = "/tasks"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_PING_SECONDS, _SILENCE_SECONDS = 5.0, 12.0


class NobodyListens(Exception):
    """The event was published, but no instance of the service was there to take it."""


def _channel(redis: Any) -> str:
    # Channels are common to all databases of a Redis server; ours is only for those that share our database.
    return f"dataquality:events:{redis.connection_pool.connection_kwargs.get('db', 0)}"


class RoomEmitter(PubSubManager):  # pyright: ignore[reportUntypedBaseClass]
    """Emits from a job; the client is a synchronous one."""

    def __init__(self, redis: Any) -> None:
        super().__init__(channel=_channel(redis), write_only=True)  # pyright: ignore[reportUnknownMemberType]
        self._redis = redis

    def emit(self, event: str, arguments: Sequence[Any], room: str) -> None:  # pyright: ignore
        """Publish the event. Raises RedisError when Redis does not answer, and NobodyListens."""
        super().emit(event, tuple(arguments), namespace=NAMESPACE, room=room)  # pyright: ignore[reportUnknownMemberType]

    def _publish(self, data: Any) -> None:
        if not self._redis.publish(self.channel, json.dumps(data)):
            raise NobodyListens


class Listener(AsyncPubSubManager):  # pyright: ignore[reportUntypedBaseClass]
    """Listens to the channel, from `start` on and for ever; `on_subscribed` is called each time it does so anew."""

    def __init__(self, redis: RedisClient, on_subscribed: Callable[[], Awaitable[None]]) -> None:
        super().__init__(channel=_channel(redis))  # pyright: ignore[reportUnknownMemberType]
        self._redis = cast(Any, redis)
        self._on_subscribed = on_subscribed
        self._heard_at = float("-inf")
        self.heard = 0
        """Counts what came over the channel, answers to pings too."""

    @property
    def is_listening(self) -> bool:
        """True while the channel shows signs of life."""
        return time.monotonic() - self._heard_at <= _SILENCE_SECONDS

    async def _publish(self, data: Any) -> None:
        await self._redis.publish(self.channel, json.dumps(data))

    async def _listen(self) -> AsyncGenerator[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(self.channel)
                    async for message in self._messages(channel):
                        pause = _FIRST_PAUSE
                        yield message
            except (RedisError, OSError) as error:
                log.warning("events cannot be received at the moment", error=type(error).__name__)
            self._heard_at = float("-inf")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _messages(self, channel: Any) -> AsyncGenerator[str]:
        """What comes, for as long as the connection lives: a dead one does not answer pings."""
        began = time.monotonic()
        while True:
            message = await channel.get_message(timeout=_PING_SECONDS)
            if message is None:
                if time.monotonic() - max(began, self._heard_at) > _SILENCE_SECONDS:
                    raise RedisConnectionError("no answer to a ping")
                await channel.ping()
                continue
            self._heard_at = time.monotonic()
            self.heard += 1
            if message["type"] == "subscribe":
                await self._on_subscribed()
            elif message["type"] == "message":
                yield message["data"]
