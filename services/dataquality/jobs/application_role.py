"""The role under which everything but the migration uses the stack's own Postgres: it reads and writes rows, no more.

It owns nothing, so it can neither TRUNCATE nor change a table, and it runs no program of the database's machine. The
migration, which connects as the owner, makes it; to repeat that does no harm.
"""

from typing import Any, cast

from psycopg import sql
from sqlalchemy import URL, Connection, text

APPEND_ONLY = ("audit",)
"""Tables whose rows the product never changes. An event of the outbox is marked when it was sent, and deleted later."""

_EXISTS = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
_CREATE = sql.SQL("CREATE ROLE {role}")
_SET_UP = (
    sql.SQL(
        "ALTER ROLE {role} WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {password}"
    ),
    sql.SQL("REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"),
    sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
    sql.SQL("GRANT USAGE ON SCHEMA public TO {role}"),
    sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}"),
    sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"),
    sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}"),
    sql.SQL("REVOKE UPDATE, DELETE ON {append_only} FROM {role}"),
    sql.SQL("REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}"),
)


def set_up_role(connection: Connection, url: URL) -> None:
    """Give the user of `url` this role's rights and password in the database that `connection` migrates."""
    role = cast(str, url.username)
    driver = cast(Any, connection.connection.driver_connection)
    # A statement may stand in the database's log, so it holds what the password is checked by, as the database does.
    password = driver.pgconn.encrypt_password(str(url.password).encode(), role.encode(), b"scram-sha-256").decode()
    names = {
        "role": sql.Identifier(role),
        "password": sql.Literal(password),
        "database": sql.Identifier(cast(str, url.database)),
        "append_only": sql.SQL(", ").join(map(sql.Identifier, APPEND_ONLY)),
    }
    is_there = connection.execute(_EXISTS, {"role": role}).first() is not None
    for statement in _SET_UP if is_there else (_CREATE, *_SET_UP):
        connection.exec_driver_sql(statement.format(**names).as_string(driver))
