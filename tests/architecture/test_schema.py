"""The migrations lead to what the tables say, along one line."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from tellal.persistence.metadata import metadata
from tellal.persistence.migrate import configuration


def test_the_database_after_an_upgrade_is_what_the_tables_say(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )

        differences = compare_metadata(context, metadata())
    engine.dispose()

    assert differences == []


def test_the_migrations_have_one_head(database_url: str) -> None:
    script = ScriptDirectory.from_config(configuration(database_url))

    (head,) = script.get_heads()

    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == head
    engine.dispose()


def test_the_newest_migration_can_be_taken_back_and_made_again(database_url: str) -> None:
    command.downgrade(configuration(database_url), "-1")
    command.upgrade(configuration(database_url), "head")

    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata()) == []
    engine.dispose()
