"""A code of two-factor sign-in works once: the last one that did is remembered. A node's tokens end with its key."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user", sa.Column("otp_last_counter", sa.BigInteger(), nullable=True))
    # A node's sessions are a family under the key that it signed in with.
    op.execute(
        "UPDATE refreshsession SET family = (SELECT api_key_id FROM node WHERE node.id = authenticatable_id)"
        " WHERE authenticatable_id IN (SELECT id FROM node)"
    )
