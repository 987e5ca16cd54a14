"""Cases over ten intake channels: deadlines, call tasks, closures, surveys and assessments."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_INSTANT = sa.DateTime(timezone=True)
_TEXTS = (
    "closure",
    "form_reference",
    "queue_ticket",
    "reply_by",
    "special_category",
    "verified_as",
)
_INSTANTS = (
    "contacted_at",
    "told_at",
    "unreachable_at",
    "reminded_at",
    "warn_at",
    "warned_at",
    "due_at",
    "escalated_at",
)
_NOT_OVER = sa.text("ended_at IS NULL")


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.String(), primary_key=True)


def _of(name: str, target: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), sa.ForeignKey(f"{target}.id"), nullable=False)


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def _at(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, _INSTANT, nullable=False) for name in names]


def _perhaps_at(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, _INSTANT, nullable=True) for name in names]


def upgrade() -> None:
    """Add them."""
    op.add_column(
        "cases", sa.Column("round", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    for name in _TEXTS:
        op.add_column(
            "cases", sa.Column(name, sa.String(), server_default=sa.text("''"), nullable=False)
        )
    op.add_column("cases", sa.Column("merged_into", sa.String(), nullable=True))
    op.create_foreign_key("cases_merged_into_fkey", "cases", "cases", ["merged_into"], ["id"])
    for name in _INSTANTS:
        op.add_column("cases", sa.Column(name, _INSTANT, nullable=True))
    # Those that were called before calls were verified are taken for told.
    op.execute(
        "UPDATE cases SET told_at = state_at, contacted_at = state_at WHERE state = 'called'"
    )
    op.execute("UPDATE cases SET closure = 'resolved' WHERE state = 'resolved'")
    op.create_table(
        "call_tasks",
        _id(),
        _of("brand_id", "brands"),
        _of("case_id", "cases"),
        *_numbers("round"),
        *_words("purpose", "state"),
        *_numbers("attempts"),
        *_words("last_outcome", "claimed_by"),
        *_perhaps_at("claimed_until"),
        *_at("not_before", "due_at"),
        *_perhaps_at("first_tried_at", "tried_at"),
        *_at("created_at"),
        *_perhaps_at("ended_at"),
    )
    op.create_index("ix_call_tasks_case_id", "call_tasks", ["case_id"])
    op.create_index(
        "call_tasks_open", "call_tasks", ["brand_id", "not_before"], postgresql_where=_NOT_OVER
    )
    op.create_index(
        "call_tasks_one_per_case",
        "call_tasks",
        ["case_id"],
        unique=True,
        postgresql_where=_NOT_OVER,
    )
    op.create_table(
        "case_surveys",
        _id(),
        _of("case_id", "cases"),
        *_numbers("round", "score"),
        *_words("comment", "recorded_by"),
        *_at("answered_at"),
        sa.UniqueConstraint("case_id", "round"),
    )
    op.create_table(
        "case_assessments",
        _id(),
        _of("case_id", "cases"),
        *_numbers("round"),
        sa.Column("items", _JSON, server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("fulfilled", sa.Boolean(), nullable=False),
        *_words("note", "assessed_by"),
        *_at("assessed_at"),
        sa.UniqueConstraint("case_id", "round"),
    )


def downgrade() -> None:
    """Remove them."""
    for name in ("case_assessments", "case_surveys", "call_tasks"):
        op.drop_table(name)
    op.drop_constraint("cases_merged_into_fkey", "cases")
    for name in ("round", *_TEXTS, "merged_into", *_INSTANTS):
        op.drop_column("cases", name)
