"""Deletes what the database keeps for a time only."""

from datetime import timedelta

from sqlalchemy import Engine, delete

from dataquality.model import KeptAnswer, utc_now


def forget_answers(engine: Engine, age: timedelta) -> int:
    """Delete the answers to creating requests that are older than `age`; how many."""
    with engine.connect() as connection:
        return connection.execute(delete(KeptAnswer).where(KeptAnswer.created_at < utc_now() - age)).rowcount
