"""Data protection: notices, explicit consents, erasures, purges, complaints with a deadline."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_INSTANT = sa.DateTime(timezone=True)
_ONLY_ADDED = "FOR EACH STATEMENT EXECUTE FUNCTION keep_as_written()"
_OF_COMPLAINTS = ("authority", "file_number", "received_at", "due_at", "warn_at", "answer")

# An erasure empties what may name somebody; everything else stays as it was written.
_KEEP_NOTICE = """
CREATE FUNCTION keep_notice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.details = '{}'::jsonb AND (to_jsonb(NEW) - 'details') = (to_jsonb(OLD) - 'details') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'notices stay as they were written' USING ERRCODE = 'restrict_violation';
END
$$
"""
_KEEP_EXPLICIT = """
CREATE FUNCTION keep_explicit_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.signature = '{}'::jsonb
       AND (to_jsonb(NEW) - 'signature') = (to_jsonb(OLD) - 'signature') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'explicit consents stay as they were written'
        USING ERRCODE = 'restrict_violation';
END
$$
"""


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _empty(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), server_default=sa.text("''"), nullable=False)


def _at(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, _INSTANT, nullable=False) for name in names]


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.String(), primary_key=True)


def _of(name: str, target: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), sa.ForeignKey(f"{target}.id"), nullable=False)


def _object(name: str) -> sa.Column[object]:
    return sa.Column(name, _JSON, server_default=sa.text("'{}'::jsonb"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "shown_notices",
        _id(),
        _of("brand_id", "brands"),
        _of("customer_id", "customers"),
        *_words("notice", "version", "language", "way"),
        _object("details"),
        *_at("shown_at", "recorded_at"),
        *_words("recorded_by"),
    )
    op.create_index("ix_shown_notices_customer_id", "shown_notices", ["customer_id"])
    op.create_table(
        "explicit_consents",
        _id(),
        _of("brand_id", "brands"),
        _of("customer_id", "customers"),
        *_words("category", "state", "document", "version", "language"),
        _object("signature"),
        *_at("given_at", "recorded_at"),
        *_words("recorded_by"),
    )
    op.create_index(
        "explicit_consents_current", "explicit_consents", ["customer_id", "category", "given_at"]
    )
    op.create_table(
        "address_salts",
        sa.Column("brand_id", sa.String(), sa.ForeignKey("brands.id"), primary_key=True),
        *_words("salt"),
    )
    op.create_table(
        "kept_refusals",
        _id(),
        _of("brand_id", "brands"),
        *_words("digest"),
        _empty("channel"),
        _empty("block_origin"),
        sa.Column("block_until", _INSTANT),
        *_at("refused_at", "kept_at"),
        sa.UniqueConstraint("brand_id", "digest", "channel", "block_origin"),
    )
    op.create_table(
        "erasures",
        _id(),
        _of("brand_id", "brands"),
        _of("customer_id", "customers"),
        *_words("ref_digest"),
        sa.Column("counts", _JSON, nullable=False),
        *_words("by"),
        *_at("at"),
    )
    op.create_index("ix_erasures_customer_id", "erasures", ["customer_id"])
    op.create_index("erasures_by_ref", "erasures", ["brand_id", "ref_digest"])
    op.create_table(
        "provider_copies",
        _id(),
        _of("erasure_id", "erasures"),
        *_words("provider", "reference", "state"),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _empty("code"),
        *_at("due_at"),
        sa.Column("ended_at", _INSTANT),
        sa.UniqueConstraint("provider", "reference"),
    )
    op.create_index("ix_provider_copies_erasure_id", "provider_copies", ["erasure_id"])
    op.create_index(
        "provider_copies_due",
        "provider_copies",
        ["due_at"],
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_table(
        "purges",
        _id(),
        *_words("run"),
        _of("brand_id", "brands"),
        *_words("kind"),
        *_at("cut_off"),
        sa.Column("removed", sa.Integer(), nullable=False),
        *_at("at"),
    )
    op.create_index("purges_of_brand", "purges", ["brand_id", "id"])
    op.add_column("customers", sa.Column("erased_at", _INSTANT))
    for name in _OF_COMPLAINTS:
        column = sa.Column(name, _INSTANT) if name.endswith("_at") else _empty(name)
        op.add_column("complaints", column)
    op.create_index(
        "complaints_to_answer",
        "complaints",
        ["warn_at"],
        postgresql_where=sa.text("closed_at IS NULL AND due_at IS NOT NULL"),
    )
    for table in ("erasures", "purges"):
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"{_ONLY_ADDED}"
        )
    op.execute(_KEEP_NOTICE)
    op.execute(_KEEP_EXPLICIT)
    for table, function in (
        ("shown_notices", "keep_notice"),
        ("explicit_consents", "keep_explicit_consent"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_stay BEFORE DELETE OR TRUNCATE ON {table} {_ONLY_ADDED}"
        )


def downgrade() -> None:
    op.drop_index("complaints_to_answer", table_name="complaints")
    op.drop_column("customers", "erased_at")
    for name in reversed(_OF_COMPLAINTS):
        op.drop_column("complaints", name)
    for table in (
        "purges",
        "provider_copies",
        "erasures",
        "kept_refusals",
        "address_salts",
        "explicit_consents",
        "shown_notices",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION keep_explicit_consent()")
    op.execute("DROP FUNCTION keep_notice()")
