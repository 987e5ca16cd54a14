"""Shares of routes: what is learned of them, what somebody decided, and every movement."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_COUNTS = ("judged", "faults", "awaited", "late")


def upgrade() -> None:
    """Add them."""
    op.add_column("attempts", sa.Column("fault", sa.Boolean()))
    op.create_index("attempts_of_route", "attempts", ["route", "intended_at"])
    for column in (
        sa.Column("factor", sa.Float(), server_default=sa.text("1"), nullable=False),
        sa.Column("mode", sa.String(), server_default=sa.text("'auto'"), nullable=False),
        sa.Column("usual_s", sa.Float()),
        sa.Column("moved_at", _INSTANT),
    ):
        op.add_column("route_states", column)
    op.create_table(
        "route_movements",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("before", sa.Float(), nullable=False),
        sa.Column("after", sa.Float(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        sa.Column("usual_s", sa.Float()),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
    )
    op.create_index("route_movements_of_route", "route_movements", ["route", "id"])
    op.execute(
        "CREATE TRIGGER route_movements_kept BEFORE UPDATE OR DELETE OR TRUNCATE "
        "ON route_movements FOR EACH STATEMENT EXECUTE FUNCTION keep_as_written()"
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("route_movements")
    for name in ("factor", "mode", "usual_s", "moved_at"):
        op.drop_column("route_states", name)
    op.drop_index("attempts_of_route", table_name="attempts")
    op.drop_column("attempts", "fault")
