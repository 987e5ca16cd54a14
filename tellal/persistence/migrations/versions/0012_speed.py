"""What lets several processes decide about a population."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# A statement with a correlated subquery is left to one process; a function is not looked into.
_NEWEST_CONSENT = """
CREATE FUNCTION newest_consent(whose text, over text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT state FROM consents WHERE customer_id = whose AND channel = over
    ORDER BY recorded_at DESC, id DESC LIMIT 1
$$
"""


def upgrade() -> None:
    op.execute(_NEWEST_CONSENT)
    unsent = sa.text("state IN ('deferred', 'queued')")
    op.create_index("customers_places", "customers", ["brand_id", "timezone", "country"])
    op.create_index("messages_unsent", "messages", ["customer_id"], postgresql_where=unsent)


def downgrade() -> None:
    op.drop_index("messages_unsent", table_name="messages")
    op.drop_index("customers_places", table_name="customers")
    op.execute("DROP FUNCTION newest_consent(text, text)")
