"""The numbers that tasks sharing a temporary volume have in common."""

from sqlalchemy import Column, Executable, Integer, Sequence, Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dataquality.model.base import Base

task_run_id_seq = Sequence("task_run_id_seq", metadata=Base.metadata)

# One row; SQLite only, which has no sequences. `only_on` keeps it out of the other databases' migrations.
run_counter = Table("runcounter", Base.metadata, Column("value", Integer, nullable=False), info={"only_on": "sqlite"})


def next_run_id_statement(dialect_name: str) -> Executable:
    """The one statement that takes the next run id on this kind of database."""
    if dialect_name == "sqlite":
        return update(run_counter).values(value=run_counter.c.value + 1).returning(run_counter.c.value)
    return select(task_run_id_seq.next_value())


async def next_run_id(connection: AsyncConnection) -> int:
    """Take the next run id; no two callers get the same one, whatever they do at once."""
    result = await connection.execute(next_run_id_statement(connection.dialect.name))
    return int(result.scalar_one())
