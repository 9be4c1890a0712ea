"""Sockets and runs have leases in the database, tasks may have deadlines, and wishes to kill are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

AWARE = sa.DateTime(timezone=True)
OPEN = sa.text("finished_at IS NULL")
LIMITED = sa.text("deadline IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "socketlease",
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("identity_id", sa.Integer(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("until", AWARE, nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_id"],
            ["authenticatable.id"],
            name=op.f("fk_socketlease_identity_id_authenticatable"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sid", name=op.f("pk_socketlease")),
    )
    op.create_index(op.f("ix_socketlease_identity_id"), "socketlease", ["identity_id"])
    op.create_index(op.f("ix_socketlease_instance"), "socketlease", ["instance"])
    op.create_table(
        "killwish",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("collaboration_id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("result_id", sa.Integer(), nullable=False),
        sa.Column("created_at", AWARE, nullable=False),
        sa.Column("told", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", AWARE, nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_killwish_node_id_node"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_killwish")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_killwish_node_id_next_at"), "killwish", ["node_id", "next_at"])
    op.create_index(op.f("ix_killwish_result_id"), "killwish", ["result_id"], unique=True)
    op.add_column("node", sa.Column("can_kill", sa.Boolean(), nullable=True))
    op.add_column("task", sa.Column("deadline", AWARE, nullable=True))
    op.create_index("ix_task_deadline", "task", ["deadline"], postgresql_where=LIMITED, sqlite_where=LIMITED)
    op.add_column("result", sa.Column("sign_in", sa.Integer(), nullable=True))
    op.add_column("result", sa.Column("offers", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_result_open", "result", ["task_id"], postgresql_where=OPEN, sqlite_where=OPEN)
