"""Large answers in parts: whole, or visibly broken off."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi.responses import JSONResponse

from dataquality.core.large_texts import LargeTexts


@asynccontextmanager
async def room(_size: int) -> AsyncGenerator[None]:
    yield


async def messages_of(*readings: str | None) -> list[dict[str, Any]]:
    """What the server is given to send, when the text is found to be these, one reading after the other."""
    left = list(readings)

    async def load(keys: Sequence[int]) -> list[str | None]:
        return [left.pop(0) for _ in keys]

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        raise AssertionError("nobody asks")

    sent: list[dict[str, Any]] = []
    texts = LargeTexts[int](load, room)
    response = texts.filled(JSONResponse({"text": texts.later(1, 5), "more": 7}))
    await response({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)
    return sent


@pytest.mark.parametrize("text", ["plain", 'quoted "\\\n\r\t\x00\x1f\x7f', "\u00e9\u4e2d\U0001f600\u2028", "", None])
async def test_an_answer_comes_with_its_length(text: str | None) -> None:
    start, *bodies = await messages_of(text, text)
    content = b"".join(message["body"] for message in bodies)
    assert json.loads(content) == {"text": text, "more": 7}
    assert dict(start["headers"])[b"content-length"] == str(len(content)).encode()
    assert [message["more_body"] for message in bodies][-1] is False


@pytest.mark.parametrize(("before", "after"), [("long text", "short"), ("short", "long text"), ("text", None)])
async def test_an_answer_whose_text_changes_on_the_way_never_ends(before: str, after: str | None) -> None:
    _, *bodies = await messages_of(before, after)
    assert all(message["more_body"] for message in bodies)
