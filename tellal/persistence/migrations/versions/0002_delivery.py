"""Delivery: routes, holds, blocks, an inbox of receipts, and counts per cause."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATES = ("open", "told", "suppressed", "expired", "cancelled", "failed", "unknown")
LIST = ", ".join(STATES)
COUNTED = ", ".join(f"count(*) FILTER (WHERE outcomes.state = '{state}')" for state in STATES)
CHANGED = ", ".join(
    f"coalesce(sum(n) FILTER (WHERE changes.state = '{state}'), 0)" for state in STATES
)
ADDED = ", ".join(f"{state} = cause_counts.{state} + excluded.{state}" for state in STATES)

# One row per cause and slot, so that transactions side by side do not wait for one another; the
# slot is the connection's. Only causes that speak to many are counted.
COUNT_OUTCOMES = f"""
CREATE FUNCTION count_outcomes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO cause_counts (cause_id, slot, {LIST})
        SELECT causes.id, pg_backend_pid() % 64, {COUNTED}
        FROM after AS outcomes JOIN causes ON causes.id = outcomes.cause_id AND causes.counted
        GROUP BY causes.id ORDER BY causes.id
        ON CONFLICT (cause_id, slot) DO UPDATE SET {ADDED};
    ELSE
        INSERT INTO cause_counts (cause_id, slot, {LIST})
        SELECT causes.id, pg_backend_pid() % 64, {CHANGED}
        FROM after JOIN before ON before.id = after.id AND before.state <> after.state
        CROSS JOIN LATERAL (VALUES (before.state, -1), (after.state, 1)) AS changes (state, n)
        JOIN causes ON causes.id = after.cause_id AND causes.counted
        GROUP BY causes.id ORDER BY causes.id
        ON CONFLICT (cause_id, slot) DO UPDATE SET {ADDED};
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "route_states",
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("refilled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_times", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("route"),
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("brand_id", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("message_class", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("mandatory", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "holds_in_force", "holds", ["brand_id"], postgresql_where=sa.text("released_at IS NULL")
    )
    op.create_table(
        "blocks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("brand_id", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "blocks_in_force",
        "blocks",
        ["brand_id", "address"],
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "receipt_inbox",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("remedy", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("receipt_inbox_due", "receipt_inbox", ["due_at", "id"])
    op.create_table(
        "cause_counts",
        sa.Column("cause_id", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        *(sa.Column(state, sa.Integer(), nullable=False) for state in STATES),
        sa.ForeignKeyConstraint(["cause_id"], ["causes.id"]),
        sa.PrimaryKeyConstraint("cause_id", "slot"),
    )
    _add("causes", "counted", sa.Boolean(), "false")
    _add("messages", "simulated", sa.Boolean(), "false")
    _add("messages", "route", sa.String(), "''")
    _add("messages", "routes_out", sa.String(), "''")
    _add("messages", "currency", sa.String(), "''")
    _add("attempts", "route", sa.String(), "''")
    op.add_column("messages", sa.Column("segments", sa.Integer(), nullable=True))
    op.add_column("messages", sa.Column("cost", sa.Numeric(12, 6), nullable=True))
    _add("brands", "whatsapp_sender", sa.String(), "''")
    _add("api_keys", "rehearses", sa.Boolean(), "false")
    op.add_column("messages", sa.Column("held_by", sa.String(), nullable=True))
    op.drop_index("messages_to_claim", table_name="messages")
    op.create_index(
        "messages_to_claim",
        "messages",
        ["lane", "priority", "id"],
        postgresql_where=sa.text("state = 'queued' AND held_by IS NULL"),
    )
    op.create_index(
        "messages_deferred",
        "messages",
        ["not_before"],
        postgresql_where=sa.text("state = 'deferred'"),
    )
    op.create_index(
        "messages_held",
        "messages",
        ["held_by"],
        postgresql_where=sa.text("held_by IS NOT NULL"),
    )
    op.execute("UPDATE causes SET counted = true WHERE kind = 'outage'")
    op.execute(COUNT_OUTCOMES)
    op.execute(
        "CREATE TRIGGER outcomes_inserted AFTER INSERT ON outcomes "
        "REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION count_outcomes()"
    )
    op.execute(
        "CREATE TRIGGER outcomes_updated AFTER UPDATE ON outcomes "
        "REFERENCING OLD TABLE AS before NEW TABLE AS after "
        "FOR EACH STATEMENT EXECUTE FUNCTION count_outcomes()"
    )
    op.execute(
        f"INSERT INTO cause_counts (cause_id, slot, {LIST}) SELECT causes.id, 0, {COUNTED} "
        "FROM outcomes JOIN causes ON causes.id = outcomes.cause_id AND causes.counted "
        "GROUP BY causes.id"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER outcomes_updated ON outcomes")
    op.execute("DROP TRIGGER outcomes_inserted ON outcomes")
    op.execute("DROP FUNCTION count_outcomes()")
    for index in ("messages_held", "messages_deferred", "messages_to_claim"):
        op.drop_index(index, table_name="messages")
    op.create_index(
        "messages_to_claim",
        "messages",
        ["lane", "priority", "id"],
        postgresql_where=sa.text("state IN ('queued', 'deferred')"),
    )
    for table, column in (
        ("messages", "held_by"),
        ("api_keys", "rehearses"),
        ("brands", "whatsapp_sender"),
        ("attempts", "route"),
        ("messages", "cost"),
        ("messages", "segments"),
        ("messages", "currency"),
        ("messages", "routes_out"),
        ("messages", "route"),
        ("messages", "simulated"),
        ("causes", "counted"),
    ):
        op.drop_column(table, column)
    for table in ("cause_counts", "receipt_inbox", "blocks", "holds", "route_states"):
        op.drop_table(table)


def _add(table: str, column: str, kind: sa.Boolean | sa.String, default: str) -> None:
    op.add_column(table, sa.Column(column, kind, nullable=False, server_default=sa.text(default)))
