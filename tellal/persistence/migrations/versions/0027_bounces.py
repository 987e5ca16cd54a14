"""Mails that come back name the attempt that they speak of."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a receipt name an attempt."""
    op.add_column("receipt_inbox", sa.Column("attempt", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Let receipts name none."""
    op.drop_column("receipt_inbox", "attempt")
