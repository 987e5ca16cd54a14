"""Texts that a provider takes segment by segment are told of segment by segment, too."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep the segments."""
    op.create_table(
        "message_parts",
        sa.Column("message_id", sa.String(), sa.ForeignKey("messages.id"), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "attempt", "n"),
    )
    op.create_index("message_parts_of_reference", "message_parts", ["provider", "reference"])


def downgrade() -> None:
    """Forget the segments."""
    op.drop_table("message_parts")
