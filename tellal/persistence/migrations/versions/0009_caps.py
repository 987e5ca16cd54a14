"""Which message took the slot of a cap that another one had."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("displaced_by", sa.String(), nullable=True))
    op.create_index(
        "messages_displaced",
        "messages",
        ["displaced_by"],
        postgresql_where=sa.text("displaced_by IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("messages_displaced", table_name="messages")
    op.drop_column("messages", "displaced_by")
