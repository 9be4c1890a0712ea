"""Run ids: never the same one twice, whatever happens at once."""

import asyncio

from dataquality.core.database import Database
from dataquality.model import next_run_id


async def test_run_ids_count_from_one(database_url: str) -> None:
    database = Database(database_url)
    async with database.writing() as session:
        connection = await session.connection()
        assert [await next_run_id(connection) for _ in range(3)] == [1, 2, 3]
    await database.close()


async def test_run_ids_taken_at_once_all_differ(database_url: str) -> None:
    database = Database(database_url)

    async def take() -> int:
        async with database.writing() as session:
            return await next_run_id(await session.connection())

    taken = await asyncio.gather(*(take() for _ in range(40)))
    assert sorted(taken) == list(range(1, 41))
    await database.close()
