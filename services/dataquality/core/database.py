"""Two engines on one database: reads in AUTOCOMMIT (half the cost), writes in transactions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL, Engine, event, make_url, text
from sqlalchemy import create_engine as create_sync_engine
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

# A connection whose other end is gone without a word (the network was cut, and one of the two came back at another
# address) is given up after 7 s, so that work goes on within 10: longer, and a job would sit at it that holds a lease.
_POSTGRES_ARGUMENTS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 7_000,
    "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60000 -c lock_timeout=15000",
}
_SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=15000")
_OUTSIZED = 4 << 20
_MARK = "outsized"


def async_url(url: str) -> URL:
    """The URL with the asynchronous driver of its database."""
    parsed = make_url(url)
    driver = "sqlite+aiosqlite" if parsed.get_backend_name() == "sqlite" else "postgresql+psycopg"
    return parsed.set(drivername=driver)


def create_engine(url: str, pool_size: int = 10) -> AsyncEngine:
    """An engine for transactions: on SQLite they begin IMMEDIATE, so that none fails halfway for want of the lock."""
    parsed = async_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_async_engine(parsed, pool_size=pool_size, max_overflow=10, hide_parameters=True)
        _prepare_sqlite(engine.sync_engine, begin="BEGIN IMMEDIATE")
        return engine
    engine = create_async_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args=_POSTGRES_ARGUMENTS,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine.pool, "checkin", _drop_outsized)
    return engine


def mark_outsized(connection: AsyncConnection, size: int) -> None:
    """Say how many characters of one row went over the connection; see `_drop_outsized`."""
    if size > _OUTSIZED and connection.sync_connection is not None:
        connection.sync_connection.info[_MARK] = True


def _drop_outsized(_connection: Any, record: Any) -> None:
    # The client's library never gives back the buffers that it once needed: a pool of such connections would fill
    # the memory with nothing.
    if record.info.pop(_MARK, False):
        record.invalidate()


def create_autocommit_engine(url: str) -> Engine:
    """A synchronous engine of one connection for jobs: each statement is a transaction of its own."""
    return _create_job_engine(url, begin=None, isolation_level="AUTOCOMMIT")


def create_transaction_engine(url: str) -> Engine:
    """A synchronous engine of one connection for jobs that write in transactions; on SQLite they begin IMMEDIATE."""
    return _create_job_engine(url, begin="BEGIN IMMEDIATE", isolation_level="READ COMMITTED")


def _create_job_engine(url: str, begin: str | None, isolation_level: IsolationLevel) -> Engine:
    parsed = async_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_sync_engine(parsed.set(drivername="sqlite"), pool_size=1, max_overflow=0, hide_parameters=True)
        _prepare_sqlite(engine, begin=begin)
        return engine
    return create_sync_engine(
        parsed,
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
        isolation_level=isolation_level,
        connect_args=_POSTGRES_ARGUMENTS,
        hide_parameters=True,
    )


def _prepare_sqlite(engine: Engine, begin: str | None) -> None:
    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        # The driver would begin transactions of its own, and DEFERRED ones.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    if begin:

        @event.listens_for(engine, "begin")
        def begin_transaction(connection: Any) -> None:  # pyright: ignore[reportUnusedFunction]
            connection.exec_driver_sql(begin)


class Database:
    """The database of a service: `reads` never hold a transaction, `writes` always do."""

    def __init__(self, url: str) -> None:
        self.writes = create_engine(url)
        if self.writes.dialect.name == "sqlite":
            self.reads = create_async_engine(async_url(url), pool_size=10, max_overflow=10, hide_parameters=True)
            _prepare_sqlite(self.reads.sync_engine, begin=None)
        else:
            self.reads = self.writes.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """A connection that sees each statement's own moment."""
        async with self.reads.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncSession]:
        """A session in one transaction: committed at the end, rolled back when an exception leaves it."""
        async with AsyncSession(self.writes, expire_on_commit=False) as session, session.begin():
            yield session

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        async with self.reads.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close all connections."""
        await self.writes.dispose()
        await self.reads.dispose()
