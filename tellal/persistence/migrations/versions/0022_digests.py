"""Digests: several events of one customer become one message."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "digests",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("brand_id", sa.String(), sa.ForeignKey("brands.id"), nullable=False),
        sa.Column("customer_id", sa.String(), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("events", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("opened_at", _INSTANT, nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.Column("check_at", _INSTANT),
        sa.Column("decision_id", sa.String(), sa.ForeignKey("decisions.id")),
        sa.Column("reason", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_at", _INSTANT),
    )
    op.create_index(
        "digests_open",
        "digests",
        ["customer_id", "topic", "simulated"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "digests_due",
        "digests",
        ["check_at"],
        postgresql_where=sa.text("check_at IS NOT NULL"),
    )
    op.create_index("digests_of_customer", "digests", ["customer_id", "id"])
    op.create_table(
        "digest_items",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("brand_id", sa.String(), sa.ForeignKey("brands.id"), nullable=False),
        sa.Column("customer_id", sa.String(), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("digest_id", sa.String(), sa.ForeignKey("digests.id"), nullable=False),
        sa.Column("event_id", sa.String(), sa.ForeignKey("events.id"), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("variables", _JSON, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("joined_at", _INSTANT, nullable=False),
        sa.UniqueConstraint("digest_id", "event_id"),
    )
    op.create_index("ix_digest_items_event_id", "digest_items", ["event_id"])
    op.create_index("digest_items_of_customer", "digest_items", ["customer_id"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("digest_items")
    op.drop_table("digests")
