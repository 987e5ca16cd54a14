"""What a country's law knows a sender as: its exemption, its licence, its sector."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_NAMES = ("exemption", "licence", "sector")


def upgrade() -> None:
    for name in _NAMES:
        column = sa.Column(name, sa.String(), server_default=sa.text("''"), nullable=False)
        op.add_column("brands", column)


def downgrade() -> None:
    for name in reversed(_NAMES):
        op.drop_column("brands", name)
