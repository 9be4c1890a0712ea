"""Answers to creating requests with an Idempotency-Key are kept for a day."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "keptanswer",
        sa.Column("caller_type", sa.Text(), nullable=False),
        sa.Column("caller_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller_type", "caller_id", "key", name=op.f("pk_keptanswer")),
    )
    op.create_index(op.f("ix_keptanswer_created_at"), "keptanswer", ["created_at"])
