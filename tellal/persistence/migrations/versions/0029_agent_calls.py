"""Calls that people of a call centre make, outside of cases."""

import sqlalchemy as sa
from alembic import op

from tellal.persistence.columns import Instant

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_WORDS = ("state", "reason", "script", "language", "last_outcome", "claimed_by")


def upgrade() -> None:
    """Keep who is to be called."""
    op.create_table(
        "agent_calls",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("brand_id", sa.String(), sa.ForeignKey("brands.id"), nullable=False),
        sa.Column("customer_id", sa.String(), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("message_id", sa.String(), sa.ForeignKey("messages.id"), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in _WORDS),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("claimed_until", Instant(), nullable=True),
        sa.Column("not_before", Instant(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_id", "attempt"),
    )
    op.create_index("ix_agent_calls_customer_id", "agent_calls", ["customer_id"])
    op.create_index(
        "agent_calls_open",
        "agent_calls",
        ["brand_id", "not_before"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("agent_calls")
