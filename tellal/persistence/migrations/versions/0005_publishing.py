"""Published rulebooks, whose log and revisions nobody can change; keys of persons, with roles."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEEP = """
CREATE FUNCTION keep_as_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$
"""
KEPT = ("rulebook_revisions", "rulebook_log")


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.add_column(
        "api_keys", sa.Column("person", sa.String(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column(
        "api_keys", sa.Column("made_by", sa.String(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column(
        "api_keys",
        sa.Column("roles", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
    )
    op.create_table(
        "rulebook_revisions",
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("files", postgresql.JSONB(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("revision"),
    )
    op.create_table(
        "rulebook_proposals",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("base", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("author_key", sa.String(), nullable=False),
        sa.Column("approver", sa.String(), nullable=False),
        sa.Column("approver_key", sa.String(), nullable=False),
        sa.Column("affected", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("decided_at", instant, nullable=True),
        sa.Column("published_at", instant, nullable=True),
        sa.ForeignKeyConstraint(["revision"], ["rulebook_revisions.revision"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "rulebook_proposals_open",
        "rulebook_proposals",
        ["revision"],
        unique=True,
        postgresql_where=sa.text("state IN ('proposed', 'approved')"),
    )
    op.create_table(
        "rulebook_active",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("since", instant, nullable=False),
        sa.CheckConstraint("id = 1", name="rulebook_active_is_one"),
        sa.ForeignKeyConstraint(["revision"], ["rulebook_revisions.revision"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "rulebook_log",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("hash"),
    )
    op.execute(KEEP)
    for table in KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION keep_as_written()"
        )


def downgrade() -> None:
    for table in ("rulebook_log", "rulebook_active", "rulebook_proposals", "rulebook_revisions"):
        op.drop_table(table)
    op.execute("DROP FUNCTION keep_as_written()")
    for column in ("roles", "made_by", "person"):
        op.drop_column("api_keys", column)
