"""Stamps are drawn by chance, from a range that an integer of Postgres does not hold (one of SQLite does)."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("authenticatable", "stamp", type_=sa.BigInteger(), existing_type=sa.Integer())
