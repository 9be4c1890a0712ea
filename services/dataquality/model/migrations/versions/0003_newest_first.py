"""The newest tasks of a collaboration or a user, and results of an organization, are found in an index."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_task_collaboration_id_id"), "task", ["collaboration_id", "id"])
    op.create_index(op.f("ix_task_init_user_id_id"), "task", ["init_user_id", "id"])
    op.create_index(op.f("ix_result_organization_id_id"), "result", ["organization_id", "id"])
    op.drop_index(op.f("ix_task_collaboration_id"), "task")
    op.drop_index(op.f("ix_task_init_user_id"), "task")
