"""Run by Alembic for each command: hands it the connection that the caller opened, and our metadata."""

from typing import Any

from alembic import context
from sqlalchemy import Connection

from dataquality.model import Base


def run() -> None:
    connection: Connection = context.config.attributes["connection"]
    dialect = connection.dialect.name

    def ours(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        return kind != "table" or item.info.get("only_on", dialect) == dialect

    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=ours,
        render_as_batch=dialect == "sqlite",
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
