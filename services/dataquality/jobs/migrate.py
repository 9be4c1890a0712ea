"""Brings the database to this version's schema and seeds it: `python -m dataquality.jobs.migrate [--check]`.

Many may start at once: one works, the others wait for it and find nothing left to do. All happens in one
transaction, so a failure leaves the database as it was. Exits 0 when the database is ready, 4 where the secrets are not
those that it knows, else 1.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from dataquality.core.logs import set_up_logging
from dataquality.core.passwords import hash_password
from dataquality.core.settings import MissingSecret, Settings, settings_from_environment
from dataquality.jobs.application_role import set_up_role
from dataquality.jobs.known_secrets import SecretsOnHand, secrets_on_hand
from dataquality.jobs.reading import reading_engine, sync_url
from dataquality.jobs.secret_files import REFUSED, SecretsRefusedError
from dataquality.jobs.seed import Seeded, root_password_is_default, seed
from dataquality.model import Base
from dataquality.model.migrations import current_revision, known_revisions, upgrade_to_head

log = logging.getLogger("dataquality.jobs.migrate")

FIRST_PASSWORD_SAID = "The user root still has its first password."  # noqa: S105 - a sentence
"""Ends the output while that is so: `vserver start` looks for it, whatever the log's level and format are."""
WAIT_SECONDS = 60
"""How long to wait for the database to answer, and then for another migration to end."""
_WRONG_PASSWORD = "password authentication failed"  # noqa: S105 - an answer of Postgres
_REFUSALS = (_WRONG_PASSWORD, "no pg_hba.conf entry", "is not permitted to log in")
"""In what Postgres answers when waiting helps nothing; the library gives no code for what fails in connecting."""

# Any number will do, if nobody else takes it: the advisory lock that migrations share.
_LOCK_KEY = 0x64617461_71756C74
# How often a database that does not answer yet is asked again.
_RETRY_SECONDS = 1


class CannotMigrate(RuntimeError):
    """The database cannot be brought to this version's schema; says why, and what to do."""


class PasswordRefused(CannotMigrate):
    """The database does not take the password."""


@dataclass(frozen=True)
class Migrated:
    """What was done."""

    before: str | None
    after: str
    seeded: Seeded
    root_password_is_default: bool
    changed_secrets: Sequence[str] = ()
    """Those of the configuration that are others than before."""

    def __str__(self) -> str:
        if self.before == self.after:
            return f"The database was at revision {self.after} already; {self.seeded}."
        return f"The database went from {self.before or 'empty'} to revision {self.after}; {self.seeded}."


def migrate(
    url: str | URL,
    wait_seconds: float = WAIT_SECONDS,
    on_hand: SecretsOnHand = SecretsOnHand(),
    application_url: str | None = None,
) -> Migrated:
    """Wait for the database, upgrade it and seed it. Raises CannotMigrate.

    `application_url` names the role that the rest of the stack connects as, which is made where it is another.
    Raises SecretsRefusedError before anything is changed, where the secrets on hand are not those that it knows.
    """
    engine = migration_engine(url)
    try:
        _make_file(engine.url)
        wait_for_database(engine, wait_seconds)
        with engine.begin() as connection:
            lock_database(connection, wait_seconds)
            done = _migrate_locked(connection, on_hand)
            if application_url not in (None, str(url)):
                set_up_role(connection, make_url(application_url))
            return done
    except DBAPIError as error:
        raise CannotMigrate(
            f"The migration failed, and nothing was changed: {_first_line(error)}. "
            "If another migration holds the database, try again when it has ended; "
            "else report this together with the database's own log."
        ) from error
    finally:
        engine.dispose()


def check(url: str | URL) -> str:
    """The revision of a database that is at this version's schema. Raises CannotMigrate when it is not."""
    engine = reading_engine(url)
    try:
        _require_file(engine.url)
        wait_for_database(engine, 0)
        with engine.connect() as connection:
            revision, head = current_revision(connection), known_revisions()[0]
            _refuse_unknown(revision)
    finally:
        engine.dispose()
    if revision != head:
        raise CannotMigrate(
            f"The database is at revision {revision or 'none'}, this version needs {head}. "
            "Run `python -m dataquality.jobs.migrate`."
        )
    return head


def migration_engine(url: str | URL) -> Engine:
    """A synchronous engine without a pool. On SQLite transactions begin IMMEDIATE, which is the lock as well."""
    parsed = sync_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": WAIT_SECONDS})
        _prepare_sqlite(engine)
        return engine
    return create_engine(parsed, poolclass=NullPool, hide_parameters=True, connect_args={"connect_timeout": 5})


def wait_for_database(engine: Engine, seconds: float) -> None:
    """Return when the database answers. Raises CannotMigrate when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
                return
        except OperationalError as error:
            if any(refusal in str(error.orig) for refusal in _REFUSALS):
                is_password = _WRONG_PASSWORD in str(error.orig)
                kind = PasswordRefused if is_password else CannotMigrate
                raise kind(_refused(engine.url, error)) from error
            left = deadline - time.monotonic()
            if left <= 0:
                raise CannotMigrate(_unreachable(engine.url, error, seconds)) from error
            log.info("Waiting for the database, %d s more at most: %s", left, _first_line(error))
            time.sleep(min(_RETRY_SECONDS, left))


def _migrate_locked(connection: Connection, on_hand: SecretsOnHand) -> Migrated:
    before = current_revision(connection)
    on_hand.check(connection)
    _refuse_unknown(before)
    if before is None:
        _refuse_foreign(connection)
    upgrade_to_head(connection)
    seeded = seed(connection, hash_password)
    changed = on_hand.record(connection)
    _check_foreign_keys(connection)
    return Migrated(before, known_revisions()[0], seeded, root_password_is_default(connection), changed)


def lock_database(connection: Connection, seconds: float) -> None:
    """Be the only job on this database until the end of the transaction; other jobs wait up to `seconds`."""
    if connection.dialect.name == "sqlite":
        return  # BEGIN IMMEDIATE did it
    connection.execute(text(f"SET LOCAL lock_timeout = {max(1, int(seconds * 1000))}"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})


def _refuse_unknown(revision: str | None) -> None:
    if revision is not None and revision not in known_revisions():
        raise CannotMigrate(
            f"The database is at revision {revision}, which this version does not know (its newest is "
            f"{known_revisions()[0]}): a newer version of the server has migrated it. "
            "Run that version or a later one, or restore a backup made before the upgrade."
        )


def _refuse_foreign(connection: Connection) -> None:
    taken = sorted(set(inspect(connection).get_table_names()) & set(Base.metadata.tables))
    if taken:
        raise CannotMigrate(
            f"The database was never migrated, yet has tables of these names: {', '.join(taken)}. "
            "It seems to belong to another program (an older server?). Give `uri` an empty database."
        )


def _check_foreign_keys(connection: Connection) -> None:
    """SQLite migrates with foreign keys off (rebuilding a table would empty those that refer to it)."""
    if connection.dialect.name != "sqlite":
        return
    broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    if broken:
        tables = ", ".join(sorted({str(row[0]) for row in broken}))
        raise CannotMigrate(f"Rows in {tables} refer to rows that do not exist; nothing was changed. Report this.")


def _prepare_sqlite(engine: Engine) -> None:
    def set_up(connection: Any, _record: object) -> None:
        # The driver would begin transactions of its own, and DEFERRED ones.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL").close()
        connection.execute("PRAGMA foreign_keys=OFF").close()

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", begin)


def _sqlite_file(url: URL) -> Path | None:
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _make_file(url: URL) -> None:
    """Make a SQLite file that only we can read: it will hold hashes of passwords."""
    if (file := _sqlite_file(url)) is None:
        return
    try:
        file.touch(mode=0o600)
    except OSError as error:
        raise CannotMigrate(
            f"The SQLite database {file} cannot be made: {error.strerror}. "
            "See that its folder exists and that this account may write there, or correct `uri`."
        ) from error


def _require_file(url: URL) -> None:
    if (file := _sqlite_file(url)) is not None and not file.exists():
        raise CannotMigrate(f"There is no SQLite database {file}. Run `python -m dataquality.jobs.migrate`.")


def _where(url: URL) -> str | None:
    return url.database if url.get_backend_name() == "sqlite" else f"{url.host}:{url.port or 5432}/{url.database}"


def _refused(url: URL, error: DBAPIError) -> str:
    return (
        f"The database {_where(url)} refuses us: {_first_line(error)}. "
        "See that `uri` has the right name, user and password, and that this user may connect; without a `uri`, run "
        "`python -m dataquality.jobs.migrate`, which makes the user."
    )


def _unreachable(url: URL, error: DBAPIError, seconds: float) -> str:
    return (
        f"The database {_where(url)} does not answer ({seconds:.0f} s waited): {_first_line(error)}. "
        "See that it runs, and that `uri` has the right address, name, user and password."
    )


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dataquality.jobs.migrate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 0 only if nothing is to be done")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run as a program. The last line on stdout says what was done; on stderr, what went wrong."""
    only_check = _parse(arguments).check
    settings = settings_from_environment()
    set_up_logging(settings)
    try:
        if only_check:
            last_line = f"The database is at revision {check(settings.database_url)}."
        else:
            last_line = _migrate_and_warn(settings)
    except SecretsRefusedError as refused:
        sys.stderr.write(f"{refused}\n")
        return REFUSED
    except (CannotMigrate, MissingSecret) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{last_line}\n")
    return 0


def _migrate_and_warn(settings: Settings) -> str:
    on_hand = secrets_on_hand(settings)
    try:
        done = migrate(settings.owner_database_url, on_hand=on_hand, application_url=settings.database_url)
    except PasswordRefused as error:
        raise (on_hand.refused_password() or error) from None
    for name in done.changed_secrets:
        effect = on_hand.advice.shuts_out.get(name, "shuts out nobody")
        log.warning("The configuration gives another %s than before: a new one %s.", name, effect)
    if not done.root_password_is_default:
        return str(done)
    log.warning("The user root still has its first password. Set another: `vserver user set-password root`.")
    return f"{done} {FIRST_PASSWORD_SAID}"


if __name__ == "__main__":
    sys.exit(main())
