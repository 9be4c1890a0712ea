"""Steps from one schema to the next, and the functions that take them.

Downgrades are not offered: restore a backup instead. To write a new step, upgrade a scratch database and call
`alembic.command.revision(migration_config(connection), message="...", autogenerate=True)`.
"""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def migration_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file; the steps run on `connection`, in its transaction."""
    config = Config()
    folder = str(Path(__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def known_revisions() -> tuple[str, ...]:
    """Every revision this code knows, newest first."""
    scripts = ScriptDirectory.from_config(migration_config())
    return tuple(script.revision for script in scripts.walk_revisions())


def current_revision(connection: Connection) -> str | None:
    """The revision the database is at; None when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade_to_head(connection: Connection) -> None:
    """Take every missing step, in the transaction that `connection` is in."""
    command.upgrade(migration_config(connection), "head")
