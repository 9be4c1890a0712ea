"""The migration as a program: alone, many at once, and before databases that it must not touch."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, inspect, make_url, select, text, update

from dataquality.jobs.migrate import CannotMigrate, main, migrate
from dataquality.model import Organization, Rule, ServerState, User
from dataquality.model.migrations import known_revisions
from support.databases import PostgresServer, SqliteFiles, sync_engine
from support.processes import free_port

Program = Callable[..., "subprocess.Popen[str]"]
RunHere = Callable[..., tuple[int, str, str]]


@pytest.fixture
def start(tmp_path: Path) -> Program:
    """Start the migration as a process of its own on a database."""

    def start(url: str | None, *arguments: str) -> "subprocess.Popen[str]":
        if url is not None:
            (tmp_path / "database_url").write_text(url)
        return subprocess.Popen(
            [sys.executable, "-m", "dataquality.jobs.migrate", *arguments],
            env={**os.environ, "DATAQUALITY_SECRETS": str(tmp_path)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[RunHere]:
    """Run the program by its entry in this process; what it is given and answers is as with `run(start(...))`."""
    handlers = logging.getLogger().handlers[:]
    monkeypatch.setenv("DATAQUALITY_SECRETS", str(tmp_path))

    def run_here(url: str | None, *arguments: str) -> tuple[int, str, str]:
        if url is not None:
            (tmp_path / "database_url").write_text(url)
        code = main(list(arguments))
        out, err = capsys.readouterr()
        return code, _last_line(out), out + err

    yield run_here
    logging.getLogger().handlers[:] = handlers


def _last_line(out: str) -> str:
    return (out.strip().splitlines() or [""])[-1]


def run(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit code, last line of stdout, and all of stdout and stderr."""
    out, err = process.communicate(timeout=120)
    return process.returncode, _last_line(out), out + err


def execute(url: str, statement: str) -> None:
    with sync_engine(url).begin() as connection:
        connection.execute(text(statement))


def tables(url: str) -> set[str]:
    return set(inspect(sync_engine(url)).get_table_names())


def test_it_says_in_its_last_line_what_it_did(empty_database_url: str, start: Program, run_here: RunHere) -> None:
    code, last, _ = run(start(empty_database_url))
    assert (code, f"from empty to revision {known_revisions()[0]}" in last) == (0, True)
    assert "53 rules, 7 roles, the user root" in last
    code, last, _ = run_here(empty_database_url)
    assert (code, "already" in last) == (0, True)


def test_several_at_once_migrate_and_seed_once(empty_database_url: str, start: Program) -> None:
    outcomes = [run(process) for process in [start(empty_database_url) for _ in range(3)]]
    assert [code for code, _, _ in outcomes] == [0, 0, 0], outcomes
    assert sum("from empty" in last for _, last, _ in outcomes) == 1
    with sync_engine(empty_database_url).connect() as connection:
        for entity, count in ((Rule, 53), (User, 1), (Organization, 1), (ServerState, 1)):
            assert connection.execute(select(func.count()).select_from(entity)).scalar_one() == count


def test_check_tells_by_its_exit_code_whether_there_is_anything_to_do(
    empty_database_url: str, run_here: RunHere
) -> None:
    code, _, said = run_here(empty_database_url, "--check")
    assert (code, "python -m dataquality.jobs.migrate" in said) == (1, True)
    migrate(empty_database_url)
    assert run_here(empty_database_url, "--check")[0] == 0


def test_check_makes_no_sqlite_file(sqlite_files: SqliteFiles, run_here: RunHere) -> None:
    with sqlite_files.empty_database() as url:
        assert run_here(url, "--check")[0] == 1
        assert not Path(make_url(url).database or "").exists()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(database_url: str, run_here: RunHere) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    execute(database_url, "DELETE FROM rule")
    for arguments in ((), ("--check",)):
        code, _, said = run_here(database_url, *arguments)
        assert (code, "9999" in said, "newer version" in said) == (1, True, True)
    with sync_engine(database_url).connect() as connection:
        assert connection.execute(select(func.count()).select_from(Rule)).scalar_one() == 0


def test_the_database_of_another_program_is_refused_and_left_alone(empty_database_url: str) -> None:
    execute(empty_database_url, "CREATE TABLE task (id INTEGER PRIMARY KEY)")
    with pytest.raises(CannotMigrate, match=r"never migrated.*: task\."):
        migrate(empty_database_url)
    assert tables(empty_database_url) == {"task"}


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty_database_url: str) -> None:
    execute(empty_database_url, "CREATE TABLE elsewhere (at INTEGER)")
    execute(empty_database_url, "CREATE INDEX ix_audit_at ON elsewhere (at)")
    with pytest.raises(CannotMigrate, match="nothing was changed"):
        migrate(empty_database_url)
    assert tables(empty_database_url) == {"elsewhere"}


def test_root_s_first_password_is_warned_about_until_it_is_changed(database_url: str, run_here: RunHere) -> None:
    assert "first password" in run_here(database_url)[2]
    with sync_engine(database_url).begin() as connection:
        connection.execute(update(ServerState).values(value="false"))
    assert "first password" not in run_here(database_url)[2]


def test_it_waits_for_a_database_that_comes_up_late(postgres_server: PostgresServer) -> None:
    def come_up() -> None:
        time.sleep(1.5)
        postgres_server.execute("CREATE DATABASE late")

    thread = threading.Thread(target=come_up)
    thread.start()
    done = migrate(postgres_server.url("late"), wait_seconds=30)
    thread.join()
    postgres_server.execute("DROP DATABASE late WITH (FORCE)")
    assert done.before is None


def test_a_database_that_does_not_come_up_is_named_without_its_password() -> None:
    port = free_port()
    with pytest.raises(CannotMigrate) as raised:
        migrate(f"postgresql://someone:a-secret@127.0.0.1:{port}/data", wait_seconds=0)
    assert f"127.0.0.1:{port}/data does not answer" in str(raised.value)
    assert "a-secret" not in str(raised.value)


def test_a_wrong_password_is_told_at_once_and_not_shown(postgres_server: PostgresServer) -> None:
    url = make_url(postgres_server.url("postgres")).set(password="not-the-password")
    with pytest.raises(CannotMigrate, match=r"refuses us: .*password authentication failed") as raised:
        migrate(url, wait_seconds=10_000)
    assert "not-the-password" not in str(raised.value)


def test_the_sqlite_file_can_be_read_by_its_owner_only(sqlite_files: SqliteFiles) -> None:
    with sqlite_files.empty_database() as url:
        migrate(url)
        assert Path(make_url(url).database or "").stat().st_mode & 0o777 == 0o600


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotMigrate, match=r"nowhere/db\.sqlite cannot be made: No such file"):
        migrate(f"sqlite:///{tmp_path}/nowhere/db.sqlite")


def test_a_missing_secret_is_named(run_here: RunHere) -> None:
    code, _, said = run_here(None)
    assert (code, "database_url" in said, "Traceback" in said) == (1, True, False)
