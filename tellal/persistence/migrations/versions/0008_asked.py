"""Every decision with the question that led to it, so that it can be asked again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("asked", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("decisions", "asked")
