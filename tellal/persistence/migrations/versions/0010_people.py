"""Complaints taken back later and erased, and indexes for the report on annoyance."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ACTS = ("resumed", "erased")


def upgrade() -> None:
    for act in _ACTS:
        by = sa.Column(f"{act}_by", sa.String(), server_default=sa.text("''"), nullable=False)
        op.add_column("complaints", by)
        op.add_column("complaints", sa.Column(f"{act}_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE complaints SET resumed_by = closed_by, resumed_at = closed_at WHERE resumed")
    op.create_index(
        "consents_refused",
        "consents",
        ["brand_id", "recorded_at"],
        postgresql_where=sa.text("state = 'refused'"),
    )
    op.add_column(
        "decisions",
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.execute("UPDATE decisions SET simulated = true WHERE body ->> 'simulated' = 'true'")
    op.create_index(
        "decisions_silent",
        "decisions",
        ["brand_id", "at"],
        postgresql_include=["reason"],
        postgresql_where=sa.text("verdict = 'suppress' AND NOT simulated"),
    )


def downgrade() -> None:
    op.drop_index("decisions_silent", table_name="decisions")
    op.drop_column("decisions", "simulated")
    op.drop_index("consents_refused", table_name="consents")
    for act in reversed(_ACTS):
        op.drop_column("complaints", f"{act}_at")
        op.drop_column("complaints", f"{act}_by")
