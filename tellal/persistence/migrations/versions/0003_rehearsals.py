"""Rehearsals: cases and outages that a rehearsal key has opened."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("cases", "outages"):
        op.add_column(
            table, sa.Column("simulated", sa.Boolean(), server_default="false", nullable=False)
        )


def downgrade() -> None:
    for table in ("outages", "cases"):
        op.drop_column(table, "simulated")
