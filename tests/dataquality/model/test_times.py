"""Times go in aware and come out in UTC, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Engine, MetaData, Table, insert, select
from sqlalchemy.exc import StatementError

from dataquality.model import UtcDateTime

# Offsets of whole minutes up to a day, as real zones have them.
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)
TABLE = Table("moments", MetaData(), Column("at", UtcDateTime()))


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        TABLE.create(connection)
        yield connection
        connection.rollback()


def store(connection: Connection, *moments: datetime) -> list[datetime]:
    connection.execute(TABLE.delete())
    connection.execute(insert(TABLE), [{"at": moment} for moment in moments])
    return list(connection.scalars(select(TABLE.c.at).order_by(TABLE.c.at)))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(moments=st.lists(TIMES, min_size=1, max_size=5))
def test_every_moment_comes_back_in_utc_and_in_order(connection: Connection, moments: list[datetime]) -> None:
    back = store(connection, *moments)
    assert back == sorted(moments)
    assert all(moment.tzinfo is UTC for moment in back)


def test_a_naive_time_is_refused(connection: Connection) -> None:
    with pytest.raises(StatementError, match="has no time zone"):
        store(connection, datetime(2026, 11, 24))


def test_a_time_that_utc_cannot_tell_is_refused(connection: Connection) -> None:
    with pytest.raises(StatementError, match="years 1 to 9999"):
        store(connection, datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))))


def test_no_time_stays_no_time(connection: Connection) -> None:
    connection.execute(insert(TABLE).values(at=None))
    assert connection.execute(select(TABLE.c.at)).scalar_one() is None
