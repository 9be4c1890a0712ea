"""The role of the application in the stack's own Postgres: it reads and writes rows, and nothing else."""

import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from dataquality.jobs.migrate import migrate
from support.databases import PostgresServer


def url_of_role(owner: str, role: str, password: str = "a%40b-'c") -> str:
    url = make_url(owner).set(username=role, password=password)
    return url.render_as_string(hide_password=False)


@pytest.fixture
def role() -> str:
    return f"application_{secrets.token_hex(6)}"


@pytest.fixture
def engine(postgres_server: PostgresServer, role: str) -> Iterator[Engine]:
    """Connected as the role, to a new database."""
    with postgres_server.empty_database() as owner:
        url = url_of_role(owner, role)
        migrate(owner, application_url=url)
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        yield engine
        engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE task",
        "COPY task (name) FROM PROGRAM 'id'",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "COPY task (name) FROM '/etc/passwd'",
        "SELECT pg_read_file('/etc/passwd')",
        "ALTER TABLE task ADD COLUMN x int",
        "ALTER TABLE task DISABLE TRIGGER ALL",
        "DROP TABLE task",
        "CREATE TABLE mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "CREATE ROLE other",
        "CREATE DATABASE other",
        "SET session_replication_role = replica",
        "ALTER SYSTEM SET log_statement = 'all'",
        "UPDATE audit SET action = 'x'",
        "DELETE FROM audit",
        "UPDATE alembic_version SET version_num = 'x'",
    ],
)
def test_role_may_not(engine: Engine, statement: str) -> None:
    with engine.connect() as connection, pytest.raises(ProgrammingError, match=r"permission denied|must be|superuser"):
        connection.execute(text(statement))


def test_role_reads_every_table_and_writes_all_but_two(engine: Engine) -> None:
    with engine.connect() as connection:
        tables = set(connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")))
        assert tables > {"audit", "outbox", "task"}
        for table in tables - {"alembic_version"}:
            rights = {right for right in ("SELECT", "INSERT", "UPDATE", "DELETE") if has(connection, table, right)}
            assert rights == ({"SELECT", "INSERT"} if table == "audit" else {"SELECT", "INSERT", "UPDATE", "DELETE"})
        assert has(connection, "alembic_version", "SELECT")
        connection.execute(text("INSERT INTO audit (at, actor_type, action) VALUES (now(), 'operator', 'test')"))


def has(connection: Connection, table: str, right: str) -> bool:
    return bool(connection.scalar(text("SELECT has_table_privilege(:table, :right)"), {"table": table, "right": right}))


def test_role_owns_nothing_and_is_no_superuser(engine: Engine, role: str) -> None:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT oid, rolsuper, rolcreaterole FROM pg_roles WHERE rolname = :r"), {"r": role}
        )
        oid, *powers = found.one()
        owned = text("SELECT count(*) FROM pg_shdepend WHERE refobjid = :oid AND deptype = 'o'")
        assert (connection.scalar(owned, {"oid": oid}), powers) == (0, [False, False])


def test_existing_database_gets_the_role_and_a_repeat_does_no_harm(postgres_url: str, role: str) -> None:
    for password in ("first", "first", "second"):
        url = url_of_role(postgres_url, role, password)
        migrate(postgres_url, application_url=url)
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            assert connection.scalar(text("SELECT count(*) FROM rule")) > 0


def test_role_of_a_database_of_others_is_used_as_given(postgres_url: str) -> None:
    assert migrate(postgres_url, application_url=postgres_url).before is not None
