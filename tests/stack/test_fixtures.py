"""What the other tests rely on."""

from sqlalchemy import text

from tellal.persistence.session import Sessions


async def test_a_test_gets_a_migrated_database(sessions: Sessions) -> None:
    async with sessions() as session:
        tables = await session.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )

    assert "alembic_version" in set(tables)
