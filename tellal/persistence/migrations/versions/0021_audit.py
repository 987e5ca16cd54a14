"""A chain of seals over what officers and operators did, what was erased and what was purged."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_ONLY_ADDED = "FOR EACH STATEMENT EXECUTE FUNCTION keep_as_written()"
_UNSEALED = "seq IS NULL"
_UNTOLD = "erased_at IS NOT NULL AND tombstone IS NULL"

# By log: its table, and how one comes from a row to its brand.
_LOGS = {
    "case": ("case_entries", "(SELECT brand_id FROM cases WHERE id = {row}.case_id)"),
    "outage": ("outage_entries", "(SELECT brand_id FROM outages WHERE id = {row}.outage_id)"),
    "campaign": (
        "campaign_entries",
        "(SELECT brand_id FROM campaigns WHERE id = {row}.campaign_id)",
    ),
    "hold": ("holds", "{row}.brand_id"),
    "release": ("holds", "{row}.brand_id"),
    "notice": ("shown_notices", "{row}.brand_id"),
    "explicit_consent": ("explicit_consents", "{row}.brand_id"),
    "erasure": ("erasures", "{row}.brand_id"),
    "purge": ("purges", "{row}.brand_id"),
}
_EMPTIED = ("case", "notice", "explicit_consent")
_KEPT = ("outage_entries", "campaign_entries")
_RELEASED = "released_at IS NOT NULL"

# Whoever writes a record, by whatever way, has thereby written that it is to be sealed.
_NOTE = """
CREATE FUNCTION note_{log}_for_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_seals (log, record_id, brand_id, salt, noted_at)
    VALUES ('{log}', NEW.id, {brand}, {salt}, clock_timestamp());
    RETURN NULL;
END
$$
"""
_SALT = "replace(gen_random_uuid()::text, '-', '')"

# What is emptied by law leaves no salt by which one could try what it was.
_FORGET = """
CREATE FUNCTION forget_for_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE audit_seals SET salt = '', erased_at = clock_timestamp()
    WHERE log = TG_ARGV[0] AND record_id = NEW.id AND erased_at IS NULL;
    RETURN NULL;
END
$$
"""
_KEEP_ENTRY = """
CREATE FUNCTION keep_case_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.body = '{}'::jsonb AND (to_jsonb(NEW) - 'body') = (to_jsonb(OLD) - 'body') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'histories of cases stay as they were written'
        USING ERRCODE = 'restrict_violation';
END
$$
"""


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _brand() -> sa.Column[str]:
    return sa.Column("brand_id", sa.String(), sa.ForeignKey("brands.id"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "audit_seals",
        *_words("log", "record_id"),
        _brand(),
        *_words("salt"),
        sa.Column("noted_at", _INSTANT, nullable=False),
        sa.Column("erased_at", _INSTANT),
        sa.Column("seq", sa.BigInteger()),
        sa.Column("tombstone", sa.BigInteger()),
        sa.PrimaryKeyConstraint("log", "record_id"),
    )
    for name, condition in (
        ("audit_seals_unsealed", _UNSEALED),
        ("audit_seals_untold_erasures", _UNTOLD),
    ):
        op.create_index(
            name, "audit_seals", ["brand_id", "record_id"], postgresql_where=sa.text(condition)
        )
    op.create_table(
        "audit_chain",
        _brand(),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        *_words("action", "log", "record_id", "core", "digest", "previous", "hash"),
        sa.PrimaryKeyConstraint("brand_id", "seq"),
        sa.UniqueConstraint("log", "record_id", "action"),
    )
    op.execute(
        "CREATE TRIGGER audit_chain_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_chain "
        f"{_ONLY_ADDED}"
    )
    op.execute(_FORGET)
    op.execute(_KEEP_ENTRY)
    for log, (table, brand) in _LOGS.items():
        salt = _SALT if log in _EMPTIED else "''"
        released = f"WHERE {_RELEASED}" if log == "release" else ""
        op.execute(
            "INSERT INTO audit_seals (log, record_id, brand_id, salt, noted_at) "
            f"SELECT '{log}', id, {brand.format(row=table)}, {salt}, clock_timestamp() "
            f"FROM {table} {released}"
        )
        op.execute(_NOTE.format(log=log, brand=brand.format(row="NEW"), salt=salt))
        when = (
            f"AFTER UPDATE ON {table} FOR EACH ROW "
            f"WHEN (OLD.released_at IS NULL AND NEW.{_RELEASED})"
            if log == "release"
            else f"AFTER INSERT ON {table} FOR EACH ROW"
        )
        op.execute(f"CREATE TRIGGER {log}_for_audit {when} EXECUTE FUNCTION note_{log}_for_audit()")
        if log in _EMPTIED:
            op.execute(
                f"CREATE TRIGGER {log}_forgotten AFTER UPDATE ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION forget_for_audit('{log}')"
            )
    op.execute(
        "CREATE TRIGGER case_entries_kept BEFORE UPDATE ON case_entries "
        "FOR EACH ROW EXECUTE FUNCTION keep_case_entry()"
    )
    op.execute(
        f"CREATE TRIGGER case_entries_stay BEFORE DELETE OR TRUNCATE ON case_entries {_ONLY_ADDED}"
    )
    for table in _KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"{_ONLY_ADDED}"
        )


def downgrade() -> None:
    for table in _KEPT:
        op.execute(f"DROP TRIGGER {table}_kept ON {table}")
    op.execute("DROP TRIGGER case_entries_stay ON case_entries")
    op.execute("DROP TRIGGER case_entries_kept ON case_entries")
    for log, (table, _) in _LOGS.items():
        if log in _EMPTIED:
            op.execute(f"DROP TRIGGER {log}_forgotten ON {table}")
        op.execute(f"DROP TRIGGER {log}_for_audit ON {table}")
        op.execute(f"DROP FUNCTION note_{log}_for_audit()")
    op.execute("DROP FUNCTION keep_case_entry()")
    op.execute("DROP FUNCTION forget_for_audit()")
    op.drop_table("audit_chain")
    op.drop_table("audit_seals")
