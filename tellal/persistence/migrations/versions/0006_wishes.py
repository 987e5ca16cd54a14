"""What customers do not want to hear, and what they complained of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NOTHING = sa.text("'[]'::jsonb")


def upgrade() -> None:
    op.add_column(
        "customers",
        sa.Column("service_only", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    for name in ("topics_off", "complained"):
        column = sa.Column(name, postgresql.JSONB(), server_default=_NOTHING, nullable=False)
        op.add_column("customers", column)
    op.create_table(
        "complaints",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("brand_id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("filed_by", sa.String(), nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resumed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"]),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_complaints_customer_id"), "complaints", ["customer_id"])
    op.create_index("complaints_of_brand", "complaints", ["brand_id", "id"])
    # Messages are handed over roughly in the order in which they were written.
    op.create_index("messages_handed", "messages", ["handed_at"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_index("messages_handed", table_name="messages")
    op.drop_table("complaints")
    for name in ("complained", "topics_off", "service_only"):
        op.drop_column("customers", name)
