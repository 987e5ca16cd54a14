"""The ledger of consents: what a record proves, a chain of seals per brand, who senders are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_INSTANT = sa.DateTime(timezone=True)

# What was said stays as it was written. A seal comes once, an erasure empties what it may empty and
# comes once, and `whole` may be derived anew.
_KEEP = """
CREATE FUNCTION keep_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.brand_id, NEW.customer_id, NEW.channel, NEW.state, NEW.recipient_type,
        NEW.source, NEW.purposes, NEW.delegation, NEW.given_at, NEW.valid_until, NEW.recorded_at)
       IS NOT DISTINCT FROM
       (OLD.id, OLD.brand_id, OLD.customer_id, OLD.channel, OLD.state, OLD.recipient_type,
        OLD.source, OLD.purposes, OLD.delegation, OLD.given_at, OLD.valid_until, OLD.recorded_at)
       AND (OLD.seq IS NULL OR NEW.seq IS NOT DISTINCT FROM OLD.seq)
       AND (OLD.tombstone IS NULL OR NEW.tombstone IS NOT DISTINCT FROM OLD.tombstone)
       AND (NEW.tombstone IS NULL OR NEW.erased_at IS NOT NULL)
    THEN
        IF NEW.erased_at IS NOT DISTINCT FROM OLD.erased_at
           AND NEW.erased_by = OLD.erased_by
           AND NEW.evidence = OLD.evidence
           AND NEW.address = OLD.address
           AND NEW.recorded_by = OLD.recorded_by
           AND (NEW.salt = OLD.salt OR (OLD.seq IS NULL AND NEW.seq IS NOT NULL))
        THEN
            RETURN NEW;
        END IF;
        IF OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL
           AND NEW.evidence = '{}'::jsonb AND NEW.address = '' AND NEW.recorded_by = ''
           AND NEW.salt = ''
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'consents stay as they were written' USING ERRCODE = 'restrict_violation';
END
$$
"""
_NEWEST_BY_STATE = """
CREATE FUNCTION newest_consent(whose text, over text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT state FROM consents WHERE customer_id = whose AND channel = over
    ORDER BY recorded_at DESC, id DESC LIMIT 1
$$
"""
# Null for a grant that is over, which says neither yes nor no.
_NEWEST = """
CREATE FUNCTION newest_consent(whose text, over text, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN state = 'refused' THEN false WHEN valid_until <= at THEN NULL ELSE true END
    FROM consents WHERE customer_id = whose AND channel = over AND whole
    ORDER BY given_at DESC, id DESC LIMIT 1
$$
"""
_ONLY_ADDED = "FOR EACH STATEMENT EXECUTE FUNCTION keep_as_written()"
_OF_SENDERS = (("kind", "company"), ("owner", ""), ("tckn", ""), ("short_number", ""))


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.String(), server_default=sa.text(f"'{default}'"), nullable=False)


def _json(name: str, default: str) -> sa.Column[object]:
    return sa.Column(name, _JSON, server_default=sa.text(f"'{default}'::jsonb"), nullable=False)


def upgrade() -> None:
    for column in (
        _text("recipient_type", "individual"),
        _json("purposes", "[]"),
        _json("delegation", "{}"),
        sa.Column("whole", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        _text("address"),
        sa.Column("given_at", _INSTANT),
        sa.Column("valid_until", _INSTANT),
        _text("recorded_by"),
        sa.Column("seq", sa.BigInteger()),
        _text("salt"),
        sa.Column("erased_at", _INSTANT),
        _text("erased_by"),
        sa.Column("tombstone", sa.BigInteger()),
    ):
        op.add_column("consents", column)
    op.execute(
        "UPDATE consents SET given_at = recorded_at, recipient_type = customers.kind "
        "FROM customers WHERE customers.id = customer_id"
    )
    op.alter_column("consents", "given_at", nullable=False)
    op.drop_index("consents_current", table_name="consents")
    op.create_index("consents_current", "consents", ["customer_id", "channel", "given_at"])
    op.create_index(
        "consents_by_address",
        "consents",
        ["brand_id", "address"],
        postgresql_where=sa.text("address <> ''"),
    )
    op.create_index("consents_by_time", "consents", ["brand_id", "given_at"])
    for name, condition in (
        ("consents_unsealed", "seq IS NULL"),
        ("consents_untold_erasures", "erased_at IS NOT NULL AND tombstone IS NULL"),
    ):
        op.create_index(name, "consents", ["brand_id", "id"], postgresql_where=sa.text(condition))
    op.create_table(
        "consent_chain",
        sa.Column("brand_id", sa.String(), sa.ForeignKey("brands.id"), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("who", "action", "consent_id", "core", "digest", "previous", "hash")
        ),
        sa.PrimaryKeyConstraint("brand_id", "seq"),
        sa.UniqueConstraint("consent_id", "action"),
    )
    op.execute("DROP FUNCTION newest_consent(text, text)")
    op.execute(_NEWEST)
    op.execute(_KEEP)
    op.execute(
        "CREATE TRIGGER consents_kept BEFORE UPDATE ON consents "
        "FOR EACH ROW EXECUTE FUNCTION keep_consent()"
    )
    op.execute(f"CREATE TRIGGER consents_stay BEFORE DELETE OR TRUNCATE ON consents {_ONLY_ADDED}")
    op.execute(
        "CREATE TRIGGER consent_chain_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_chain "
        f"{_ONLY_ADDED}"
    )
    for name, default in _OF_SENDERS:
        op.add_column("brands", _text(name, default))
    op.create_table(
        "short_codes",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("keyword", sa.String(), nullable=False),
        sa.Column("brand_id", sa.String(), sa.ForeignKey("brands.id"), nullable=False),
        sa.PrimaryKeyConstraint("code", "keyword"),
    )
    op.create_index("ix_short_codes_brand_id", "short_codes", ["brand_id"])


def downgrade() -> None:
    op.execute("DROP FUNCTION newest_consent(text, text, timestamptz)")
    op.execute(_NEWEST_BY_STATE)
    op.drop_table("short_codes")
    for name, _ in _OF_SENDERS:
        op.drop_column("brands", name)
    op.drop_table("consent_chain")
    op.execute("DROP TRIGGER consents_stay ON consents")
    op.execute("DROP TRIGGER consents_kept ON consents")
    op.execute("DROP FUNCTION keep_consent()")
    for name in (
        "consents_untold_erasures",
        "consents_unsealed",
        "consents_by_time",
        "consents_by_address",
        "consents_current",
    ):
        op.drop_index(name, table_name="consents")
    op.create_index("consents_current", "consents", ["customer_id", "channel", "recorded_at"])
    for name in (
        "tombstone",
        "erased_by",
        "erased_at",
        "salt",
        "seq",
        "recorded_by",
        "valid_until",
        "given_at",
        "address",
        "whole",
        "delegation",
        "purposes",
        "recipient_type",
    ):
        op.drop_column("consents", name)
