"""What the database knows of the secrets: a fingerprint of each, in `serverstate`.

    python -m dataquality.jobs.known_secrets --forget NAME...

A secret of which it knows none is taken as it is, once; any other must be the one that was taken. `--forget` lets the
next migration take new ones: `vserver secret renew` runs it.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, insert, inspect, select

from dataquality.core.settings import Settings, settings_from_environment
from dataquality.jobs.fingerprints import Fingerprint
from dataquality.jobs.reading import snapshot
from dataquality.jobs.secret_files import STRANGER, Advice, Damage, SecretsRefusedError
from dataquality.model import ServerState

OWN_PASSWORD = "postgres_password"  # noqa: S105 - the name of a secret
"""The password of the database that the stack brings; without it the database cannot be asked."""
_PREFIX = "secret fingerprint: "
_KNOWN = select(ServerState.key, ServerState.value).where(ServerState.key.startswith(_PREFIX, autoescape=True))
_ADD = insert(ServerState)
_FORGET = delete(ServerState).where(ServerState.key == bindparam("state"))


def holds_data(url: str) -> bool:
    """Whether a database was migrated before: then its secrets were made long ago."""
    with snapshot(url) as connection:
        return inspect(connection).has_table("alembic_version")


@dataclass(frozen=True)
class SecretsOnHand:
    """The secrets that this job was given, to be held against what the database knows."""

    values: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    advice: Advice = field(default_factory=Advice)

    def check(self, connection: Connection) -> None:
        """Raise SecretsRefusedError where one of them is not the secret that the database knows.

        Those that the configuration gives may change: it is the operator who says what they are.
        """
        known = _known(connection)
        strangers = [
            Damage(name, _whose(name, value, known))
            for name, value in self.values.items()
            if name in known and name not in self.advice.configured and not known[name].matches(value)
        ]
        if strangers:
            raise SecretsRefusedError(strangers, self.advice)

    def record(self, connection: Connection) -> list[str]:
        """Note the fingerprints that are not known yet; the names of configured secrets that have changed."""
        known = _known(connection)
        given = self.advice.configured & known.keys() & self.values.keys()
        changed = sorted(name for name in given if not known[name].matches(self.values[name]))
        forget_secrets(connection, changed)
        rows = [
            {"key": _PREFIX + name, "value": str(Fingerprint.of(name, value))}
            for name, value in self.values.items()
            if name not in known or name in changed
        ]
        if rows:
            connection.execute(_ADD, rows)
        return changed

    def refused_password(self) -> SecretsRefusedError | None:
        """What it means that the database refuses its password; None where the database is not the stack's own."""
        if OWN_PASSWORD not in self.values:
            return None
        damage = Damage(OWN_PASSWORD, "another secret: the database was made with another password")
        return SecretsRefusedError([damage], self.advice)


def secrets_on_hand(settings: Settings) -> SecretsOnHand:
    """What the settings name. Raises MissingSecret."""
    names: list[str] = settings.secrets_guard.get("names", [])
    return SecretsOnHand({name: settings.secret(name) for name in names}, Advice.parse(settings.secrets_guard))


def forget_secrets(connection: Connection, names: Sequence[str]) -> None:
    """Let the next migration take what it finds under these names."""
    if names:
        connection.execute(_FORGET, [{"state": _PREFIX + name} for name in names])


def _known(connection: Connection) -> dict[str, Fingerprint]:
    if not inspect(connection).has_table(ServerState.__tablename__):
        return {}
    return {row.key.removeprefix(_PREFIX): Fingerprint.parse(row.value) for row in connection.execute(_KNOWN)}


def _whose(name: str, value: str, known: Mapping[str, Fingerprint]) -> str:
    others = (other for other, one in known.items() if other != name and one.matches(value))
    belongs = next(others, None)
    if belongs:
        return f"another secret: it holds what belongs in {belongs}"
    return STRANGER


def main(arguments: list[str] | None = None) -> int:
    """Run as a program."""
    from dataquality.jobs.migrate import migration_engine, wait_for_database

    parser = argparse.ArgumentParser(prog="python -m dataquality.jobs.known_secrets")
    parser.add_argument("--forget", nargs="+", required=True, metavar="NAME")
    names: list[str] = parser.parse_args(arguments).forget
    engine = migration_engine(settings_from_environment().owner_database_url)
    try:
        wait_for_database(engine, 60)
        with engine.begin() as connection:
            if inspect(connection).has_table(ServerState.__tablename__):
                forget_secrets(connection, names)
    finally:
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
