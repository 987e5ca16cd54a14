"""A ledger of credit per account and brand: lines, reservations, and alerts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_MONEY = sa.Numeric(18, 6)
_ONLY_ADDED = "FOR EACH STATEMENT EXECUTE FUNCTION keep_as_written()"
_BY_HAND = "NEW.kind IN ('top_up', 'adjust', 'terms')"

# What people did is sealed; what follows messages follows from the ledger of messages.
_NOTE = """
CREATE FUNCTION note_credit_for_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_seals (log, record_id, brand_id, salt, noted_at)
    VALUES ('credit', NEW.id, NEW.brand_id, '', clock_timestamp());
    RETURN NULL;
END
$$
"""


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _empty(*names: str) -> list[sa.Column[str]]:
    return [
        sa.Column(name, sa.String(), server_default=sa.text("''"), nullable=False) for name in names
    ]


def _of(name: str, target: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), sa.ForeignKey(f"{target}.id"), nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def _amount(name: str) -> sa.Column[object]:
    return sa.Column(name, _MONEY, nullable=False)


def _nothing(name: str) -> sa.Column[object]:
    return sa.Column(name, _MONEY, server_default=sa.text("0"), nullable=False)


def _amounts(name: str) -> sa.Column[object]:
    none = sa.text("'{}'::numeric[]")
    return sa.Column(name, postgresql.ARRAY(_MONEY), server_default=none, nullable=False)


def _at(*names: str, nullable: bool = False) -> list[sa.Column[object]]:
    return [sa.Column(name, _INSTANT, nullable=nullable) for name in names]


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.String(), primary_key=True)


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "credit_accounts",
        _id(),
        _of("brand_id", "brands"),
        *_words("name", "currency"),
        _flag("may_go_negative"),
        _nothing("available"),
        _nothing("alert_reserve"),
        _amounts("thresholds"),
        _amounts("armed"),
        *_empty("mobile", "email"),
        *_words("made_by"),
        *_at("created_at", "changed_at"),
        sa.UniqueConstraint("brand_id", "name"),
        sa.UniqueConstraint("brand_id", "currency"),
    )
    op.create_table(
        "credit_entries",
        _id(),
        _of("brand_id", "brands"),
        _of("account_id", "credit_accounts"),
        *_words("kind"),
        _amount("amount"),
        *_empty("message_id", "note"),
        *_words("by"),
        *_at("at"),
    )
    op.create_index("credit_entries_of_account", "credit_entries", ["account_id", "id"])
    op.create_index("credit_entries_of_message", "credit_entries", ["message_id"])
    op.create_table(
        "credit_reservations",
        sa.Column("message_id", sa.String(), primary_key=True),
        sa.Column("attempt", sa.Integer(), primary_key=True, autoincrement=False),
        _of("account_id", "credit_accounts"),
        _of("brand_id", "brands"),
        _amount("amount"),
        _flag("returned"),
        *_at("at"),
    )
    op.create_index(
        "credit_reservations_of_account", "credit_reservations", ["account_id", "returned"]
    )
    op.create_index(
        "credit_reservations_open",
        "credit_reservations",
        ["at"],
        postgresql_where=sa.text("NOT returned"),
    )
    op.create_table(
        "credit_alerts",
        _id(),
        _of("account_id", "credit_accounts"),
        _of("brand_id", "brands"),
        *_words("way"),
        _amount("threshold"),
        _amount("available"),
        *_words("state"),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        *_empty("code"),
        *_at("crossed_at"),
        *_at("begun_at", "ended_at", nullable=True),
    )
    op.create_index("credit_alerts_of_account", "credit_alerts", ["account_id", "id"])
    op.create_index(
        "credit_alerts_due",
        "credit_alerts",
        ["crossed_at"],
        postgresql_where=sa.text("state IN ('due', 'begun')"),
    )
    op.execute(_NOTE)
    op.execute(
        "CREATE TRIGGER credit_for_audit AFTER INSERT ON credit_entries FOR EACH ROW "
        f"WHEN ({_BY_HAND}) EXECUTE FUNCTION note_credit_for_audit()"
    )
    op.execute(
        "CREATE TRIGGER credit_entries_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_entries "
        f"{_ONLY_ADDED}"
    )


def downgrade() -> None:
    """Remove them."""
    op.execute("DELETE FROM audit_seals WHERE log = 'credit' AND seq IS NULL")
    for name in ("credit_alerts", "credit_reservations", "credit_entries", "credit_accounts"):
        op.drop_table(name)
    op.execute("DROP FUNCTION note_credit_for_audit()")
