"""A code of two-factor sign-in works once: the last one that did is remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user", sa.Column("otp_last_counter", sa.BigInteger(), nullable=True))
