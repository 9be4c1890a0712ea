"""Reading a database as it is at one moment, while others write."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url

_POSTGRES_ARGUMENTS = {"connect_timeout": 5}


def sync_url(url: str | URL) -> URL:
    """The URL with the synchronous driver of its database."""
    parsed = make_url(url)
    driver = "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql+psycopg"
    return parsed.set(drivername=driver)


def reading_engine(url: str | URL) -> Engine:
    """An engine whose transactions each see one moment, hold nobody up, and cannot write."""
    parsed = sync_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, poolclass=NullPool, hide_parameters=True)
        _prepare_sqlite(engine)
        return engine
    engine = create_engine(parsed, poolclass=NullPool, hide_parameters=True, connect_args=_POSTGRES_ARGUMENTS)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def snapshot(url: str | URL) -> Generator[Connection]:
    """A connection in one such transaction."""
    engine = reading_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _prepare_sqlite(engine: Engine) -> None:
    def set_up(connection: Any, _record: object) -> None:
        # The driver would begin transactions before writes only, and so each read would see a moment of its own.
        connection.isolation_level = None
        connection.execute("PRAGMA query_only=ON").close()
        connection.execute("PRAGMA busy_timeout=15000").close()

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", begin)
