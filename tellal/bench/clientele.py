"""A bank with any number of customers to whom its app is promoted, as a campaign would find them.

Most have agreed to e-mails, some have the app, some are under age. Everything is written by
set-based statements, without the checks that rows made one by one pass.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tellal.domain.customers import Brand
from tellal.ids import new_id
from tellal.persistence.session import Sessions
from tellal.services.brands import create_brand

BEGINS = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
"""Ten o'clock in Istanbul, a Monday: no quiet hours."""
TOPIC = "iscep_promo"

_UNCHECKED = text("SET LOCAL session_replication_role = replica")
_CUSTOMERS = text("""
INSERT INTO customers (id, brand_id, ref, kind, locale, timezone, country, first_name, facts,
                       created_at, updated_at)
SELECT :ids || lpad(n::text, 10, '0'), :brand, 'bench-' || n, 'individual', 'tr-TR',
       'Europe/Istanbul', 'TR', 'Deniz',
       jsonb_build_object(
           'customer.birth_date', to_char(date '1940-01-01' + n * 7 % 26000, 'YYYY-MM-DD'),
           'customer.segment', (ARRAY['mass', 'affluent', 'private'])[1 + n % 3],
           'customer.login.method', (ARRAY['sms_otp', 'password', 'branch'])[1 + n % 3],
           'customer.app.installed', n % 11 = 0),
       :now, :now
FROM generate_series(1, CAST(:size AS integer)) AS n
""")
_POINTS = text("""
INSERT INTO contact_points (id, brand_id, customer_id, channel, address, bad_reason, created_at)
SELECT :ids || lpad(n::text, 10, '0'), :brand, :ids || lpad(n::text, 10, '0'), 'email',
       n || '@example.com', '', :now
FROM generate_series(1, CAST(:size AS integer)) AS n
""")
_CONSENTS = text("""
INSERT INTO consents (id, brand_id, customer_id, channel, state, source, evidence, given_at,
                      recorded_at)
SELECT :ids || lpad(n::text, 10, '0'), :brand, :ids || lpad(n::text, 10, '0'), 'email',
       CASE WHEN n % 13 = 0 THEN 'refused' ELSE 'granted' END, 'branch', '{}', :now, :now
FROM generate_series(1, CAST(:size AS integer)) AS n
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clientele:
    """The brand, and how many customers it has."""

    brand: Brand
    ids: str
    size: int

    def customer_id(self, number: int) -> str:
        """Return the id of a customer by his number, which counts from one."""
        return f"{self.ids}{number:010}"


async def settle(engine: AsyncEngine, sessions: Sessions, size: int) -> Clientele:
    """Write a brand with so many customers, each with an address and what he said of e-mails."""
    ids = new_id()[:16]
    async with sessions() as tx, tx.begin():
        brand = await create_brand(
            tx,
            name=f"bench-{new_id().lower()}",
            trade_name="Anadolu Bankası A.Ş.",
            country="TR",
            timezone="Europe/Istanbul",
            phone="08500000001",
            email="iletisim@anadolu.example",
            mersis="0000000000000011",
            sms_sender="ANADOLUBANK",
            email_sender="Anadolu Bankası <bilgi@anadolu.example>",
            now=BEGINS,
        )
        await tx.execute(_UNCHECKED)
        rows = {"ids": ids, "brand": brand.id, "size": size, "now": BEGINS}
        for statement in (_CUSTOMERS, _POINTS, _CONSENTS):
            await tx.execute(statement, rows)
    async with engine.connect() as connection:
        single = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await single.execute(text("VACUUM (ANALYZE) customers, contact_points, consents"))
    return Clientele(brand=brand, ids=ids, size=size)
