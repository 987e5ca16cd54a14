"""Rehearsed messages of a customer are found without reading those in earnest."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "messages_rehearsed", "messages", ["customer_id"], postgresql_where=sa.text("simulated")
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_index("messages_rehearsed", table_name="messages")
