"""Groups of customers; campaigns with their runs and rounds; codes that track cases."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_INSTANT = sa.DateTime(timezone=True)


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.String(), primary_key=True)


def _of(name: str, target: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), sa.ForeignKey(f"{target}.id"), nullable=False)


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _empty(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), server_default=sa.text("''"), nullable=False)


def _at(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, _INSTANT, nullable=False) for name in names]


def _perhaps_at(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, _INSTANT, nullable=True) for name in names]


def _json(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, _JSON, nullable=False) for name in names]


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)


def _simulated() -> sa.Column[bool]:
    return sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False)


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "groups",
        _id(),
        _of("brand_id", "brands"),
        *_words("name", "kind"),
        sa.Column("segment", _JSON, nullable=True),
        _empty("source"),
        *_words("made_by"),
        *_at("created_at", "changed_at"),
        *_perhaps_at("deleted_at"),
        sa.UniqueConstraint("brand_id", "name"),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.String(), sa.ForeignKey("groups.id"), primary_key=True),
        sa.Column("customer_id", sa.String(), sa.ForeignKey("customers.id"), primary_key=True),
        sa.Column("variables", _JSON, server_default=sa.text("'{}'::jsonb"), nullable=False),
        *_at("added_at"),
    )
    op.create_index("group_members_of_customer", "group_members", ["customer_id"])
    op.create_table(
        "campaigns",
        _id(),
        _of("brand_id", "brands"),
        *_words("name", "state"),
        *_json("plan"),
        _empty("digest"),
        *_words("made_by"),
        _empty("approved_by"),
        *_perhaps_at("approved_at", "next_at"),
        _count("runs"),
        _simulated(),
        *_at("created_at", "changed_at"),
        *_perhaps_at("ended_at"),
        sa.UniqueConstraint("brand_id", "name"),
    )
    op.create_index(
        "campaigns_due",
        "campaigns",
        ["next_at"],
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_table(
        "campaign_entries",
        _id(),
        _of("campaign_id", "campaigns"),
        *_words("command", "by"),
        *_json("body"),
        *_at("at"),
    )
    op.create_index("campaign_entries_of_campaign", "campaign_entries", ["campaign_id", "id"])
    op.create_table(
        "campaign_runs",
        _id(),
        _of("campaign_id", "campaigns"),
        _of("brand_id", "brands"),
        sa.Column("number", sa.Integer(), nullable=False),
        *_at("planned_for"),
        *_words("state"),
        _empty("reason"),
        sa.Column("pace", _JSON, server_default=sa.text("'{}'::jsonb"), nullable=False),
        *_at("started_at"),
        *_perhaps_at("paused_at", "ended_at"),
        sa.UniqueConstraint("campaign_id", "number"),
    )
    op.create_table(
        "campaign_rounds",
        _id(),
        _of("run_id", "campaign_runs"),
        _of("campaign_id", "campaigns"),
        _of("brand_id", "brands"),
        _count("step"),
        _empty("variant"),
        _of("cause_id", "causes"),
        *_words("topic"),
        *_json("variables", "parts", "cursor"),
        *_words("state"),
        *_perhaps_at("expires_at"),
        _simulated(),
        *_at("created_at"),
        *_perhaps_at("decided_at"),
        sa.UniqueConstraint("run_id", "step", "variant"),
        sa.UniqueConstraint("cause_id"),
    )
    op.create_index("ix_campaign_rounds_campaign_id", "campaign_rounds", ["campaign_id"])
    op.add_column("cases", sa.Column("tracking_code", sa.String(), nullable=True))
    op.create_unique_constraint("cases_tracking_code_key", "cases", ["tracking_code"])


def downgrade() -> None:
    """Remove them."""
    op.drop_constraint("cases_tracking_code_key", "cases")
    op.drop_column("cases", "tracking_code")
    for name in (
        "campaign_rounds",
        "campaign_runs",
        "campaign_entries",
        "campaigns",
        "group_members",
        "groups",
    ):
        op.drop_table(name)
