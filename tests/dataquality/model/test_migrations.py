"""The migrated schema is the one that the models say."""

from sqlalchemy import inspect

from dataquality.jobs.migrate import migrate
from support.databases import sync_engine


def test_an_empty_database_is_migrated(empty_database_url: str) -> None:
    migrate(empty_database_url)
    engine = sync_engine(empty_database_url)
    assert {"user", "node", "task", "result", "outbox", "audit"} <= set(inspect(engine).get_table_names())
