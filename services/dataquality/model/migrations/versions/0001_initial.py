"""The first schema: the whole data model, with what the database itself holds to be true."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

AWARE = sa.DateTime(timezone=True)

RESULT_STATUS = (
    "status IN ('pending', 'initializing', 'active', 'completed', 'failed', 'start failed', "
    "'non-existing Docker image', 'crashed', 'killed by user', 'not allowed', 'unknown error')"
)

# A user or node that goes, also by a cascade, takes its row in authenticatable along: no token outlives it.
POSTGRES_TRIGGERS = (
    """
    CREATE FUNCTION forget_authenticatable() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM authenticatable WHERE id = OLD.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER user_forgotten AFTER DELETE ON "user"
    FOR EACH ROW EXECUTE FUNCTION forget_authenticatable()
    """,
    """
    CREATE TRIGGER node_forgotten AFTER DELETE ON node
    FOR EACH ROW EXECUTE FUNCTION forget_authenticatable()
    """,
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit trail is append only' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
)
SQLITE_TRIGGERS = (
    """
    CREATE TRIGGER user_forgotten AFTER DELETE ON "user" FOR EACH ROW
    BEGIN DELETE FROM authenticatable WHERE id = OLD.id; END
    """,
    """
    CREATE TRIGGER node_forgotten AFTER DELETE ON node FOR EACH ROW
    BEGIN DELETE FROM authenticatable WHERE id = OLD.id; END
    """,
    """
    CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit FOR EACH ROW
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END
    """,
    """
    CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit FOR EACH ROW
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END
    """,
)


def upgrade() -> None:
    _run_ids()
    _identities()
    _permissions()
    _tasks()
    _bookkeeping()
    for statement in SQLITE_TRIGGERS if _on_sqlite() else POSTGRES_TRIGGERS:
        op.execute(statement)


def _on_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _run_ids() -> None:
    if _on_sqlite():
        op.create_table("runcounter", sa.Column("value", sa.Integer(), nullable=False))
        op.execute("INSERT INTO runcounter (value) VALUES (0)")
    else:
        op.execute("CREATE SEQUENCE task_run_id_seq")


def _identities() -> None:
    op.create_table(
        "organization",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("address1", sa.Text(), nullable=True),
        sa.Column("address2", sa.Text(), nullable=True),
        sa.Column("zipcode", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "collaboration",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("encrypted", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collaboration")),
        sa.UniqueConstraint("name", name=op.f("uq_collaboration_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "member",
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("collaboration_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collaboration_id"],
            ["collaboration.id"],
            name=op.f("fk_member_collaboration_id_collaboration"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_member_organization_id_organization"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "collaboration_id", name=op.f("pk_member")),
    )
    op.create_index(op.f("ix_member_collaboration_id"), "member", ["collaboration_id"])
    op.create_table(
        "authenticatable",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=50), nullable=False),
        sa.Column("ip", sa.Text(), nullable=True),
        sa.Column("last_seen", AWARE, nullable=True),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("stamp", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", AWARE, nullable=False),
        sa.CheckConstraint("status IN ('online', 'offline')", name=op.f("ck_authenticatable_status")),
        sa.CheckConstraint("type IN ('user', 'node')", name=op.f("ck_authenticatable_type")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authenticatable")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("firstname", sa.Text(), nullable=True),
        sa.Column("lastname", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("failed_login_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_failed_login_at", AWARE, nullable=True),
        sa.Column("otp_secret", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["id"], ["authenticatable.id"], name=op.f("fk_user_id_authenticatable"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_user_organization_id_organization"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("email", name=op.f("uq_user_email")),
        sa.UniqueConstraint("username", name=op.f("uq_user_username")),
    )
    op.create_index(op.f("ix_user_organization_id"), "user", ["organization_id"])
    op.create_table(
        "node",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("api_key_id", sa.String(length=64), nullable=False),
        sa.Column("api_key_hash", sa.Text(), nullable=True),
        sa.Column("collaboration_id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("length(api_key_id) = 64", name=op.f("ck_node_api_key_id_length")),
        sa.ForeignKeyConstraint(
            ["collaboration_id"],
            ["collaboration.id"],
            name=op.f("fk_node_collaboration_id_collaboration"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["id"], ["authenticatable.id"], name=op.f("fk_node_id_authenticatable"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_node_organization_id_organization"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node")),
        sa.UniqueConstraint(
            "organization_id", "collaboration_id", name=op.f("uq_node_organization_id_collaboration_id")
        ),
    )
    op.create_index(op.f("ix_node_api_key_id"), "node", ["api_key_id"], unique=True)
    op.create_index(op.f("ix_node_collaboration_id"), "node", ["collaboration_id"])
    op.create_index(op.f("ix_node_organization_id"), "node", ["organization_id"])
    op.create_table(
        "nodeconfig",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_nodeconfig_node_id_node"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodeconfig")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_nodeconfig_node_id"), "nodeconfig", ["node_id"])


def _permissions() -> None:
    op.create_table(
        "rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("operation", sa.String(length=1), nullable=False),
        sa.Column("scope", sa.String(length=3), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.CheckConstraint("scope IN ('own', 'org', 'col', 'glo')", name=op.f("ck_rule_scope")),
        sa.CheckConstraint("operation IN ('v', 'e', 'c', 'd')", name=op.f("ck_rule_operation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule")),
        sa.UniqueConstraint("name", "scope", "operation", name=op.f("uq_rule_name_scope_operation")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "role",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_role_organization_id_organization"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_role_organization_id"), "role", ["organization_id"])
    op.create_table(
        "role_rule_association",
        sa.Column("role_id", sa.Integer(), nullable=False),
        sa.Column("rule_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_role_rule_association_role_id_role"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["rule.id"], name=op.f("fk_role_rule_association_rule_id_rule"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role_id", "rule_id", name=op.f("pk_role_rule_association")),
    )
    op.create_index(op.f("ix_role_rule_association_rule_id"), "role_rule_association", ["rule_id"])
    op.create_table(
        "permission",
        sa.Column("role_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["role_id"], ["role.id"], name=op.f("fk_permission_role_id_role"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_permission_user_id_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("role_id", "user_id", name=op.f("pk_permission")),
    )
    op.create_index(op.f("ix_permission_user_id"), "permission", ["user_id"])
    op.create_table(
        "userpermission",
        sa.Column("rule_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["rule.id"], name=op.f("fk_userpermission_rule_id_rule"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_userpermission_user_id_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("rule_id", "user_id", name=op.f("pk_userpermission")),
    )
    op.create_index(op.f("ix_userpermission_user_id"), "userpermission", ["user_id"])


def _tasks() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("database", sa.Text(), nullable=True),
        sa.Column("collaboration_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("initiator_id", sa.Integer(), nullable=True),
        sa.Column("init_user_id", sa.Integer(), nullable=True),
        sa.Column("created_at", AWARE, nullable=False),
        sa.ForeignKeyConstraint(
            ["collaboration_id"],
            ["collaboration.id"],
            name=op.f("fk_task_collaboration_id_collaboration"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["init_user_id"], ["user.id"], name=op.f("fk_task_init_user_id_user"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["initiator_id"],
            ["organization.id"],
            name=op.f("fk_task_initiator_id_organization"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["task.id"], name=op.f("fk_task_parent_id_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_task_collaboration_id"), "task", ["collaboration_id"])
    op.create_index(op.f("ix_task_init_user_id"), "task", ["init_user_id"])
    op.create_index(op.f("ix_task_initiator_id"), "task", ["initiator_id"])
    op.create_index(op.f("ix_task_parent_id"), "task", ["parent_id"])
    op.create_index(op.f("ix_task_run_id"), "task", ["run_id"])
    op.create_table(
        "result",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=32), server_default="pending", nullable=False),
        sa.Column("assigned_at", AWARE, nullable=False),
        sa.Column("started_at", AWARE, nullable=True),
        sa.Column("finished_at", AWARE, nullable=True),
        sa.Column("received_at", AWARE, nullable=True),
        sa.Column("updated_at", AWARE, nullable=False),
        sa.CheckConstraint(RESULT_STATUS, name=op.f("ck_result_status")),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_result_node_id_node"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_result_organization_id_organization"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_result_task_id_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_result")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_result_node_id_finished_at"), "result", ["node_id", "finished_at"])
    op.create_index(op.f("ix_result_organization_id_finished_at"), "result", ["organization_id", "finished_at"])
    op.create_index(op.f("ix_result_task_id"), "result", ["task_id"])
    op.create_table(
        "resultcontent",
        sa.Column("result_id", sa.Integer(), nullable=False),
        sa.Column("input", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("log", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["result_id"], ["result.id"], name=op.f("fk_resultcontent_result_id_result"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("result_id", name=op.f("pk_resultcontent")),
    )
    op.create_table(
        "algorithmport",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("result_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.CheckConstraint("port BETWEEN 1 AND 65535", name=op.f("ck_algorithmport_port")),
        sa.ForeignKeyConstraint(
            ["result_id"], ["result.id"], name=op.f("fk_algorithmport_result_id_result"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_algorithmport")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_algorithmport_result_id"), "algorithmport", ["result_id"])


def _bookkeeping() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collaboration_id", sa.Integer(), nullable=True),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", AWARE, nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_until", AWARE, nullable=True),
        sa.Column("sent_at", AWARE, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_outbox_unsent",
        "outbox",
        ["collaboration_id", "id"],
        postgresql_where=sa.text("sent_at IS NULL"),
        sqlite_where=sa.text("sent_at IS NULL"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", AWARE, nullable=False),
        sa.Column("actor_type", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_type", sa.Text(), nullable=True),
        sa.Column("subject_id", sa.Integer(), nullable=True),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_actor_type_actor_id"), "audit", ["actor_type", "actor_id"])
    op.create_index(op.f("ix_audit_at"), "audit", ["at"])
    op.create_index(op.f("ix_audit_subject_type_subject_id"), "audit", ["subject_type", "subject_id"])
    op.create_table(
        "refreshsession",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("authenticatable_id", sa.Integer(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("issued_at", AWARE, nullable=False),
        sa.Column("expires_at", AWARE, nullable=True),
        sa.Column("revoked_at", AWARE, nullable=True),
        sa.ForeignKeyConstraint(
            ["authenticatable_id"],
            ["authenticatable.id"],
            name=op.f("fk_refreshsession_authenticatable_id_authenticatable"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refreshsession")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_refreshsession_authenticatable_id"), "refreshsession", ["authenticatable_id"])
    op.create_index(op.f("ix_refreshsession_expires_at"), "refreshsession", ["expires_at"])
    op.create_index(op.f("ix_refreshsession_family"), "refreshsession", ["family"])
    op.create_index(op.f("ix_refreshsession_jti"), "refreshsession", ["jti"], unique=True)
    op.create_table(
        "usedtoken",
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("expires_at", AWARE, nullable=False),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_usedtoken")),
    )
    op.create_index(op.f("ix_usedtoken_expires_at"), "usedtoken", ["expires_at"])
    op.create_table(
        "serverstate",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_serverstate")),
    )
