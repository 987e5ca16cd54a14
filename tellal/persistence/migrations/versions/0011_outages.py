"""Outages as objects: kinds, plans, history, rounds of telling, signals, reviews and webhooks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_INSTANTS = ("starts_at", "expected_end", "first_signal_at", "shown_at", "escalated_at")
_LATER = ("started_at", "reviewed_at")
_TEXTS = ("incident", "reason", "workaround", "hotline", "asked_by", "confirmed_by", "broke_glass")
_TAKEN_DOWN = sa.text("state IN ('confirmed', 'in_progress') AND components <> '[]'::jsonb")
_STOPPED = sa.text("counted AND state = 'stopped'")
_RUNNING = sa.text("state NOT IN ('resolved','dismissed','completed','cancelled')")

# What an outage told until now becomes its first round.
_FIRST_ROUNDS = """
INSERT INTO outage_notices (id, outage_id, brand_id, number, kind, topic, cause_id, variables,
    parts, state, in_flight_at_stop, simulated, created_at, decided_at, stopped_at)
SELECT id, id, brand_id, 1, 'notice', topic, cause_id, variables,
    jsonb_build_array(jsonb_build_object('name', 'everybody', 'segment', segment)),
    CASE WHEN resolved_at IS NOT NULL THEN 'stopped'
         WHEN decided_at IS NOT NULL THEN 'decided' ELSE 'deciding' END,
    in_flight_at_stop, simulated, coalesce(confirmed_at, declared_at), decided_at, resolved_at
FROM outages WHERE confirmed_at IS NOT NULL
"""


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.String(), server_default=sa.text(f"'{default}'"), nullable=False)


def _json(name: str, default: str = "") -> sa.Column[object]:
    words = sa.text(f"'{default}'::jsonb") if default else None
    return sa.Column(name, _JSON, server_default=words, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)


def _id(name: str = "id") -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _of(table: str, name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), sa.ForeignKey(f"{table}.id"), nullable=nullable)


def upgrade() -> None:
    for column in (_text("kind", "failure"), _text("severity", "major"), *map(_text, _TEXTS)):
        op.add_column("outages", column)
    op.add_column("outages", _json("areas", "[]"))
    op.add_column("outages", _json("plan", "{}"))
    op.add_column("outages", _flag("no_workaround"))
    for name in (*_INSTANTS, *_LATER):
        op.add_column("outages", _instant(name, nullable=True))
    op.drop_index("outages_that_take_down", table_name="outages")
    op.create_index("outages_that_take_down", "outages", ["brand_id"], postgresql_where=_TAKEN_DOWN)
    op.create_index("outages_running", "outages", ["brand_id", "state"], postgresql_where=_RUNNING)
    op.add_column("causes", _text("stopped_for"))
    op.add_column("attempts", _instant("recall_at", nullable=True))
    op.create_index("causes_stopped", "causes", ["id"], postgresql_where=_STOPPED)
    op.create_table(
        "outage_entries",
        _id(),
        _of("outages", "outage_id"),
        sa.Column("command", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        _json("body"),
        _json("public", "{}"),
        _instant("at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outage_entries_of_outage", "outage_entries", ["outage_id", "id"])
    op.create_table(
        "outage_notices",
        _id(),
        _of("outages", "outage_id"),
        _of("brands", "brand_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        _of("causes", "cause_id"),
        _json("variables"),
        _json("facts", "{}"),
        _json("parts"),
        sa.Column("state", sa.String(), nullable=False),
        _json("cursor", "{}"),
        _instant("expires_at", nullable=True),
        _number("in_flight_at_stop"),
        _flag("simulated"),
        _instant("created_at"),
        _instant("decided_at", nullable=True),
        _instant("stopped_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("outage_id", "number"),
        sa.UniqueConstraint("cause_id"),
    )
    op.execute(_FIRST_ROUNDS)
    for name in ("cause_id", "cursor", "decided_at"):
        op.drop_column("outages", name)
    _signals()
    op.create_table(
        "outage_reviews",
        _of("outages", "outage_id"),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("what_happened", sa.String(), nullable=False),
        sa.Column("what_was_late", sa.String(), nullable=False),
        sa.Column("what_changes", sa.String(), nullable=False),
        _instant("at"),
        sa.PrimaryKeyConstraint("outage_id"),
    )
    _webhooks()


def _signals() -> None:
    op.create_table(
        "outage_signals",
        _id(),
        _of("brands", "brand_id"),
        sa.Column("incident", sa.String(), nullable=False),
        _json("area"),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        _of("customers", "customer_id", nullable=True),
        _of("outages", "outage_id", nullable=True),
        _flag("still_out"),
        _flag("simulated"),
        _instant("at"),
        _instant("answered_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("brand_id", "source", "reference"),
    )
    op.create_index("outage_signals_recent", "outage_signals", ["brand_id", "incident", "at"])
    op.create_index("outage_signals_of_outage", "outage_signals", ["outage_id", "at"])
    op.create_index("ix_outage_signals_customer_id", "outage_signals", ["customer_id"])


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        _id(),
        _of("brands", "brand_id"),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("means", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        _instant("made_at"),
        _instant("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_webhooks_brand_id", "webhooks", ["brand_id"])
    op.create_table(
        "webhook_calls",
        _id(),
        _of("webhooks", "webhook_id"),
        sa.Column("kind", sa.String(), nullable=False),
        _json("body"),
        _instant("created_at"),
        _instant("due_at"),
        _number("tries"),
        _text("answer"),
        _instant("done_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "webhook_calls_due",
        "webhook_calls",
        ["due_at"],
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_index("ix_webhook_calls_webhook_id", "webhook_calls", ["webhook_id"])


def downgrade() -> None:
    op.add_column("outages", sa.Column("cause_id", sa.String(), sa.ForeignKey("causes.id")))
    op.add_column("outages", _text("cursor"))
    op.add_column("outages", _instant("decided_at", nullable=True))
    op.execute(
        "UPDATE outages SET cause_id = n.cause_id, decided_at = n.decided_at "
        "FROM outage_notices n WHERE n.outage_id = outages.id AND n.number = 1"
    )
    op.execute(
        "INSERT INTO causes (id, brand_id, kind, key, topic, state, counted, created_at) "
        "SELECT id, brand_id, 'outage', 'outage:' || id || ':0', topic, "
        "CASE WHEN resolved_at IS NULL THEN 'running' ELSE 'stopped' END, true, declared_at "
        "FROM outages WHERE cause_id IS NULL"
    )
    op.execute("UPDATE outages SET cause_id = id WHERE cause_id IS NULL")
    op.alter_column("outages", "cause_id", nullable=False)
    for table in (
        "webhook_calls",
        "webhooks",
        "outage_reviews",
        "outage_signals",
        "outage_notices",
        "outage_entries",
    ):
        op.drop_table(table)
    op.drop_index("causes_stopped", table_name="causes")
    op.drop_column("causes", "stopped_for")
    op.drop_column("attempts", "recall_at")
    op.drop_index("outages_running", table_name="outages")
    op.drop_index("outages_that_take_down", table_name="outages")
    op.create_index(
        "outages_that_take_down",
        "outages",
        ["brand_id"],
        postgresql_where=sa.text("state = 'confirmed' AND components <> '[]'::jsonb"),
    )
    added = ("kind", "severity", *_TEXTS, "areas", "plan", "no_workaround", *_INSTANTS, *_LATER)
    for column in added:
        op.drop_column("outages", column)
