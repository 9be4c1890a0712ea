"""The migrated schema is the one that the models say."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Engine, Table, inspect, text

from dataquality.jobs.migrate import migrate
from dataquality.model import Base
from dataquality.model.migrations import known_revisions
from support.databases import sync_engine


def tables_of(engine: Engine) -> list[Table]:
    here = engine.dialect.name
    return [t for t in Base.metadata.sorted_tables if t.info.get("only_on", here) == here]


def test_an_empty_database_is_migrated_to_the_newest_revision(empty_database_url: str) -> None:
    done = migrate(empty_database_url)
    assert (done.before, done.after) == (None, known_revisions()[0])
    tables = set(inspect(sync_engine(empty_database_url)).get_table_names())
    assert {"user", "node", "task", "result", "outbox", "audit"} <= tables


def test_autogenerate_finds_no_difference_from_the_models(engine: Engine) -> None:
    here = engine.dialect.name

    def ours(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        return kind != "table" or item.info.get("only_on", here) == here

    options = {"compare_type": True, "compare_server_default": True, "include_object": ours}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_the_checks_are_those_of_the_models(engine: Engine) -> None:
    """Autogenerate does not look at CHECK constraints."""
    for table in tables_of(engine):
        said = {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}
        there = {c["name"] for c in inspect(engine).get_check_constraints(table.name)}
        assert there == said, table.name


def test_the_words_of_the_checks_are_those_of_the_models(engine: Engine) -> None:
    words = ["pending", "initializing", "active", "completed", "failed", "start failed", "non-existing Docker image"]
    words += ["crashed", "killed by user", "not allowed", "unknown error"]
    [check] = inspect(engine).get_check_constraints("result")
    assert all(f"'{word}'" in check["sqltext"] for word in words)
    assert check["sqltext"].count("'") == 2 * len(words)


def test_the_foreign_keys_delete_as_the_models_say(engine: Engine) -> None:
    """Autogenerate compares ON DELETE on Postgres only."""
    for table in tables_of(engine):
        said = {(fk.parent.name, fk.target_fullname, fk.ondelete) for fk in table.foreign_keys}
        there = {
            (fk["constrained_columns"][0], f"{fk['referred_table']}.id", fk.get("options", {}).get("ondelete"))
            for fk in inspect(engine).get_foreign_keys(table.name)
        }
        assert there == said, table.name


def test_every_foreign_key_has_an_index_that_begins_with_it(engine: Engine) -> None:
    inspector = inspect(engine)
    for table in tables_of(engine):
        first = set(inspector.get_pk_constraint(table.name)["constrained_columns"][:1])
        first |= {index["column_names"][0] for index in inspector.get_indexes(table.name)}
        first |= {unique["column_names"][0] for unique in inspector.get_unique_constraints(table.name)}
        for key in inspector.get_foreign_keys(table.name):
            assert key["constrained_columns"][0] in first, (table.name, key)


def test_the_unsent_events_have_an_index_of_their_own(engine: Engine) -> None:
    catalogue = {"sqlite": "SELECT sql FROM sqlite_master WHERE name = :name"}
    query = catalogue.get(engine.dialect.name, "SELECT indexdef FROM pg_indexes WHERE indexname = :name")
    with engine.connect() as connection:
        definition = str(connection.execute(text(query), {"name": "ix_outbox_unsent"}).scalar_one())
    assert "sent_at IS NULL" in definition


def test_sqlite_has_the_counter_row_and_postgres_the_sequence(engine: Engine) -> None:
    tables = inspect(engine).get_table_names()
    assert ("runcounter" in tables) == (engine.dialect.name == "sqlite")
    if engine.dialect.name == "postgresql":
        assert "task_run_id_seq" in inspect(engine).get_sequence_names()
