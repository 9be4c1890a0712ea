"""A service that was taken over connects to the database with what it has."""

from pathlib import Path

import psycopg
import pytest

from support.abuse.compose import ContainerStack
from support.abuse.honest import honest_user_beside
from support.abuse.stack import AttackedStack

ATTACKS = (
    "TRUNCATE task CASCADE",
    "COPY task (name) FROM PROGRAM 'id'",
    "ALTER TABLE audit DISABLE TRIGGER ALL",
    "DROP TABLE task",
    "CREATE TABLE mine (x int)",
    "DELETE FROM audit",
    "CREATE ROLE other SUPERUSER",
)
ATTEMPT = f"""
import psycopg
from pathlib import Path
url = Path("/secrets/database_url").read_text().replace("+psycopg", "")
for statement in {ATTACKS!r}:
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            print("refused")
"""


def url_of(stack: AttackedStack, component: str, secret: str = "database_url") -> str:
    files: list[Path] = [path for path in stack.home.folder.rglob(secret) if path.parent.name == component]
    return files[0].read_text().replace("+psycopg", "")


@pytest.mark.parametrize("component", ["auth", "entity", "dispatch", "worker", "beat"])
def test_service_cannot_do_more_than_read_and_write_rows(stack: AttackedStack, component: str) -> None:
    url = url_of(stack, component)
    with honest_user_beside(stack):
        for statement in ATTACKS:
            with (
                psycopg.connect(url, autocommit=True) as connection,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                connection.execute(statement.encode())


def test_migration_alone_has_the_owners_password(stack: AttackedStack) -> None:
    owner = url_of(stack, "migrate", "owner_database_url")
    holders = {path.parent.name for path in stack.home.folder.rglob("owner_database_url")}
    assert holders == {"migrate"}
    with psycopg.connect(owner) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        assert row == (True,)


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.timeout(600)
def test_service_in_a_container_cannot_either(containers: ContainerStack) -> None:
    for component in ("auth", "worker"):
        done = containers.inside(component, "python", "-c", ATTEMPT)
        assert done.stdout.split() == ["refused"] * len(ATTACKS), done.stderr
