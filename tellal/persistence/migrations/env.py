"""Runs migrations; called by tellal.persistence.migrate only."""

from alembic import context
from sqlalchemy import create_engine

from tellal.persistence.metadata import metadata

url = context.config.attributes["database_url"]
engine = create_engine(url)
with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=metadata(), transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
