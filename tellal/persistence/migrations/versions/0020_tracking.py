"""Applications from outside, mails that were read, limits of asking; webhooks for cases."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "applications",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("brand_id", sa.String(), sa.ForeignKey("brands.id"), nullable=False),
        sa.Column("customer_id", sa.String(), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("case_id", sa.String(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("attachments", _JSON, server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.UniqueConstraint("brand_id", "channel", "reference"),
        sa.UniqueConstraint("case_id"),
    )
    op.create_index("ix_applications_customer_id", "applications", ["customer_id"])
    op.create_table(
        "mailbox_mails",
        sa.Column("mailbox", sa.String(), primary_key=True),
        sa.Column("validity", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("uid", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("became", sa.String(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
    )
    op.create_index("ix_mailbox_mails_at", "mailbox_mails", ["at"])
    # Not logged: after a crash of the server everybody may ask anew.
    op.create_table(
        "rate_buckets",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("slot", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("refilled_at", _INSTANT, nullable=False),
        prefixes=["UNLOGGED"],
    )
    op.add_column(
        "webhooks",
        sa.Column("kinds", _JSON, server_default=sa.text("'[\"outages\"]'::jsonb"), nullable=False),
    )
    op.add_column(
        "webhook_calls",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
    )
    op.add_column(
        "webhook_calls",
        sa.Column("subject", sa.String(), server_default=sa.text("''"), nullable=False),
    )
    op.create_index(
        "webhook_calls_in_turn",
        "webhook_calls",
        ["webhook_id", "subject", "seq"],
        postgresql_where=sa.text("done_at IS NULL AND subject <> ''"),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_index("webhook_calls_in_turn", "webhook_calls")
    op.drop_column("webhook_calls", "subject")
    op.drop_column("webhook_calls", "seq")
    op.drop_column("webhooks", "kinds")
    for name in ("rate_buckets", "mailbox_mails", "applications"):
        op.drop_table(name)
