"""The session of a request: opened, committed and closed here, never in a service."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataquality.core.context import context_of

AfterCommit = Callable[[], Awaitable[None]]
_AFTER_COMMIT = "after_commit"


async def _reading(request: Request) -> AsyncIterator[AsyncConnection]:
    async with context_of(request).database.reading() as connection:
        yield connection


async def _writing(request: Request) -> AsyncIterator[AsyncSession]:
    async with context_of(request).database.writing() as session:
        yield session
    for job in session.info.get(_AFTER_COMMIT, ()):
        await job()


def after_commit(session: AsyncSession, job: AfterCommit) -> None:
    """Run `job` once the session is committed; never when it is rolled back."""
    session.info.setdefault(_AFTER_COMMIT, []).append(job)


# scope="function": the commit comes before the answer, so that nobody is told of what then fails.
ReadConnection = Annotated[AsyncConnection, Depends(_reading, scope="function")]
"""Reads, each statement on its own (AUTOCOMMIT)."""
WriteSession = Annotated[AsyncSession, Depends(_writing, scope="function")]
"""One transaction: committed when the handler returns, rolled back when it raises."""
