"""Leases, and indexes for what is asked of carriers, of addresses and of workflows."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index(
        "messages_outstanding",
        "messages",
        ["provider", "handed_at"],
        postgresql_where=sa.text("state IN ('accepted', 'sent')"),
    )
    op.create_index(
        "contact_points_by_address", "contact_points", ["brand_id", sa.text("lower(address)")]
    )
    op.create_index(
        "outcomes_of_workflow",
        "outcomes",
        ["workflow_id"],
        postgresql_where=sa.text("workflow_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("outcomes_of_workflow", table_name="outcomes")
    op.drop_index("contact_points_by_address", table_name="contact_points")
    op.drop_index("messages_outstanding", table_name="messages")
    op.drop_table("leases")
