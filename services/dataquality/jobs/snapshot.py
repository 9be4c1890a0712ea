"""Reading a database as it is at one moment, while others write."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, event

from dataquality.jobs.migrate import sync_url


@contextmanager
def snapshot(url: str) -> Generator[Connection]:
    """A connection that sees one moment, holds nobody up, and cannot write."""
    parsed = sync_url(url)
    engine = create_engine(parsed, poolclass=NullPool)
    if parsed.get_backend_name() == "sqlite":
        _prepare_sqlite(engine)
    else:
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _prepare_sqlite(engine: Any) -> None:
    def set_up(connection: Any, _record: object) -> None:
        # The driver would begin transactions before writes only, and so each read would see a moment of its own.
        connection.isolation_level = None
        connection.execute("PRAGMA query_only=ON").close()
        connection.execute("PRAGMA busy_timeout=15000").close()

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", begin)
