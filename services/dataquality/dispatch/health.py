"""Tells whether the worker or beat works: `python -m dataquality.dispatch.health worker|beat`.

Exits 0 when the canary last ran (worker) or was sent (beat) less than a minute ago, and the database and Redis answer.
Prints what is wrong.
"""

import sys
from datetime import datetime

from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from dataquality.core.database import create_autocommit_engine
from dataquality.core.settings import MissingSecret, Settings, settings_from_environment
from dataquality.dispatch.names import CANARY_KEYS, CANARY_MAX_AGE
from dataquality.dispatch.redis_sync import connect_redis_sync
from dataquality.model import utc_now


def problems(settings: Settings, component: str) -> list[str]:
    """What is wrong, a line each; empty when all is well."""
    found = [_database(settings.database_url), _canary(settings.redis_url, component)]
    return [problem for problem in found if problem]


def _database(url: str) -> str | None:
    engine = create_autocommit_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return f"The database does not answer: {str(error).splitlines()[0]}"
    finally:
        engine.dispose()
    return None


def _canary(url: str, component: str) -> str | None:
    try:
        last = connect_redis_sync(url).get(CANARY_KEYS[component])
    except RedisError as error:
        return f"Redis does not answer: {error}"
    if last is None:
        return "The canary job has not been seen yet."
    age = (utc_now() - datetime.fromisoformat(last)).total_seconds()
    return None if age < CANARY_MAX_AGE else f"The canary job was last seen {age:.0f} s ago."


def main(arguments: list[str]) -> int:
    """Run as a program."""
    if len(arguments) != 1 or arguments[0] not in CANARY_KEYS:
        sys.stderr.write("usage: python -m dataquality.dispatch.health worker|beat\n")
        return 2
    try:
        found = problems(settings_from_environment(), arguments[0])
    except MissingSecret as error:
        found = [str(error)]
    sys.stderr.write("".join(f"{problem}\n" for problem in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
