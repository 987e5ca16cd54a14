"""İYS: a brand's account, what it was told of each consent, and what it has told."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_OPEN = "state IN ('waiting', 'sending', 'sent', 'rejected', 'blocked')"

# Whoever writes a consent, by whatever way, has thereby written that İYS is to be told of it; what
# was said to İYS itself it knows.
_NOTE = """
CREATE FUNCTION note_for_registry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry_pushes (consent_id, brand_id, state, next_at)
    SELECT consent.id, consent.brand_id, 'waiting', consent.recorded_at
    FROM fresh AS consent
    JOIN registry_accounts AS account ON account.brand_id = consent.brand_id
    WHERE consent.channel IN ('sms', 'email', 'call') AND NOT starts_with(consent.source, 'IYS_');
    RETURN NULL;
END
$$
"""


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), server_default=sa.text("''"), nullable=False)


def _brand(*, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(
        "brand_id", sa.String(), sa.ForeignKey("brands.id"), nullable=False, primary_key=primary_key
    )


def upgrade() -> None:
    op.create_table(
        "registry_accounts",
        _brand(primary_key=True),
        sa.Column("iys_code", sa.Integer(), nullable=False),
        sa.Column("brand_code", sa.Integer(), nullable=False),
        sa.Column("activated_on", sa.Date()),
        _text("citizens_after"),
        _text("senders_after"),
        sa.Column("pulled_at", _INSTANT),
        sa.Column("created_at", _INSTANT, nullable=False),
    )
    op.create_table(
        "registry_pushes",
        sa.Column("consent_id", sa.String(), primary_key=True),
        _brand(),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("next_at", _INSTANT, nullable=False),
        sa.Column("warn_at", _INSTANT),
        sa.Column("due_at", _INSTANT),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        *(_text(name) for name in ("batch", "part", "code", "transaction")),
        sa.Column("consent_date", _INSTANT),
        sa.Column("pushed_at", _INSTANT),
        sa.Column("settled_at", _INSTANT),
    )
    op.create_index(
        "registry_pushes_open",
        "registry_pushes",
        ["brand_id", "state", "due_at", "consent_id"],
        postgresql_where=sa.text(_OPEN),
    )
    op.create_index(
        "registry_pushes_batch",
        "registry_pushes",
        ["batch"],
        postgresql_where=sa.text("state = 'sent'"),
    )
    op.create_index(
        "registry_pushes_moved",
        "registry_pushes",
        ["transaction"],
        postgresql_where=sa.text("transaction <> ''"),
    )
    op.create_table(
        "registry_changes",
        _brand(primary_key=True),
        sa.Column("transaction", sa.String(), primary_key=True),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("read_at", _INSTANT, nullable=False),
    )
    op.execute(_NOTE)
    op.execute(
        "CREATE TRIGGER consents_for_registry AFTER INSERT ON consents "
        "REFERENCING NEW TABLE AS fresh "
        "FOR EACH STATEMENT EXECUTE FUNCTION note_for_registry()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER consents_for_registry ON consents")
    op.execute("DROP FUNCTION note_for_registry()")
    op.drop_table("registry_changes")
    op.drop_table("registry_pushes")
    op.drop_table("registry_accounts")
