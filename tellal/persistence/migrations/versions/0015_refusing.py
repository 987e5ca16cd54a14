"""Refusing: words written to our numbers, consents to be confirmed, first commercial messages."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _empty(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), server_default=sa.text("''"), nullable=False)


def _of(name: str, table: str, *, known: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(), sa.ForeignKey(f"{table}.id"), nullable=not known)


def upgrade() -> None:
    op.create_table(
        "inbound",
        *(
            _text(name)
            for name in (
                "id", "provider", "reference", "channel", "sender", "recipient", "text", "does"
            )
        ),
        _empty("keyword"),
        _empty("answer"),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("provider", "reference"),
    )  # fmt: skip
    op.create_index("inbound_of_number", "inbound", ["sender", "received_at"])
    op.create_table(
        "inbound_effects",
        _text("id"),
        _of("inbound_id", "inbound"),
        _of("brand_id", "brands"),
        _of("customer_id", "customers"),
        _text("did"),
        sa.Column("consent_id", sa.String()),
        _of("message_id", "messages", known=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("inbound_id", "customer_id"),
    )
    op.create_index(
        "inbound_effects_of_brand", "inbound_effects", ["brand_id", "received_at", "id"]
    )
    op.create_index("ix_inbound_effects_customer_id", "inbound_effects", ["customer_id"])
    op.create_table(
        "consent_confirmations",
        _text("consent_id"),
        _of("brand_id", "brands"),
        _of("customer_id", "customers"),
        _text("channel"),
        sa.Column("confirm_by", _INSTANT, nullable=False),
        _text("state"),
        _empty("reason"),
        _of("message_id", "messages", known=False),
        sa.Column("settled_at", _INSTANT),
        sa.PrimaryKeyConstraint("consent_id"),
    )
    op.create_index(
        "consent_confirmations_open",
        "consent_confirmations",
        ["confirm_by"],
        postgresql_where=sa.text("state IN ('due', 'posted')"),
    )
    op.create_index(
        "ix_consent_confirmations_customer_id", "consent_confirmations", ["customer_id"]
    )
    op.create_table(
        "first_sends",
        _of("customer_id", "customers"),
        _text("channel"),
        _of("message_id", "messages"),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "channel"),
    )


def downgrade() -> None:
    for name in ("first_sends", "consent_confirmations", "inbound_effects", "inbound"):
        op.drop_table(name)
