"""Texts sent to colleagues, and what an outage has taken down."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "test_sends",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("brand_id", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), server_default="", nullable=False),
        sa.Column("sent_by", sa.String(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("test_sends_of_brand", "test_sends", ["brand_id", "id"])
    op.add_column(
        "outages",
        sa.Column(
            "components",
            postgresql.JSONB(),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.create_index(
        "outages_that_take_down",
        "outages",
        ["brand_id"],
        postgresql_where=sa.text("state = 'confirmed' AND components <> '[]'::jsonb"),
    )


def downgrade() -> None:
    op.drop_index("outages_that_take_down", table_name="outages")
    op.drop_column("outages", "components")
    op.drop_index("test_sends_of_brand", table_name="test_sends")
    op.drop_table("test_sends")
