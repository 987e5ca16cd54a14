"""A power distributor with any number of customers, some of whom live where the power is out.

Everything is written by set-based statements, without the checks that rows made one by one pass.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from tellal.bench.crowd import TOPIC
from tellal.clock import SystemClock
from tellal.domain.channels import Lane, MessageClass
from tellal.domain.customers import Brand
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import CauseRow
from tellal.services.brands import create_brand

SEGMENT = {"customer.district": "tepebasi"}

_UNCHECKED = text("SET LOCAL session_replication_role = replica")
_CUSTOMERS = text("""
INSERT INTO customers (id, brand_id, ref, kind, locale, timezone, country, first_name, facts,
                       created_at, updated_at)
SELECT :ids || lpad(n::text, 10, '0'), :brand, 'bench-' || n, 'individual', 'tr-TR',
       'Europe/Istanbul', 'TR', 'Deniz',
       jsonb_build_object('customer.district',
                          CASE WHEN n::bigint * :affected % :size < :affected
                               THEN 'tepebasi' ELSE 'odunpazari' END,
                          'customer.feeder', 'F' || n % 500, 'customer.age', 18 + n % 70),
       :now, :now
FROM generate_series(1, CAST(:size AS integer)) AS n
""")
_POINTS = text("""
INSERT INTO contact_points (id, brand_id, customer_id, channel, address, bad_reason, created_at)
SELECT :ids || lpad(n::text, 10, '0'), :brand, :ids || lpad(n::text, 10, '0'), 'sms',
       '+48' || 600000000 + n, '', :now
FROM generate_series(1, CAST(:size AS integer)) AS n
""")
_BARE = """
WITH page AS (
    SELECT customers.id, contact_points.id AS point
    FROM customers JOIN contact_points ON contact_points.customer_id = customers.id
    WHERE customers.brand_id = :brand AND customers.facts @> CAST(:segment AS jsonb)
    ORDER BY customers.id LIMIT :size
), outcome AS (
    INSERT INTO outcomes (id, brand_id, cause_id, customer_id, topic, content_version, state,
                          reason, plan, tries, created_at)
    SELECT :run || right(id, 10), :brand, :cause, id, :topic, 1, 'open', '',
           CAST(:plan AS jsonb), 1, :now
    FROM page
), decision AS (
    INSERT INTO decisions (id, brand_id, customer_id, outcome_id, topic, verdict, reason, revision,
                           executor, body, at)
    SELECT :run || right(id, 10), :brand, id, :run || right(id, 10), :topic, 'send', '', '',
           'bare', CAST(:plan AS jsonb), :now
    FROM page
)
INSERT INTO messages (id, brand_id, cause_id, outcome_id, customer_id, contact_point_id, topic,
                      message_class, channel, lane, priority, try_no, step, language, variables,
                      state, state_at, not_before, expires_at, attempt, provider, reference,
                      receipts, code, subject, text, created_at)
SELECT :run || right(id, 10), :brand, :cause, :run || right(id, 10), id, point, :topic, :class,
       'sms', :lane, 0, 1, 0, 'tr', CAST(:variables AS jsonb), 'deferred', :now, :end, :end, 0, '',
       '', '', '', '', '', :now
FROM page
"""
BARE = text(_BARE)
"""What a chunk is in the ledger, decided by nothing: who lives there gets a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class District:
    """The brand that everybody belongs to; so many of its customers are affected."""

    brand: Brand
    size: int
    affected: int


async def settle(engine: AsyncEngine, sessions: Sessions, size: int, affected: int) -> District:
    """Write a brand with so many customers, each with a number for texts."""
    now = SystemClock().now()
    async with sessions() as tx, tx.begin():
        brand = await create_brand(
            tx,
            name=f"bench-{new_id().lower()}",
            trade_name="Porsuk Elektrik Dağıtım A.Ş.",
            country="TR",
            timezone="Europe/Istanbul",
            phone="186",
            email="iletisim@porsuk.example",
            mersis="0000000000000022",
            sms_sender="PORSUKEDAS",
            email_sender="Porsuk EDAŞ <bilgi@porsuk.example>",
            now=now,
        )
        await tx.execute(_UNCHECKED)
        rows = {"ids": new_id()[:16], "brand": brand.id, "size": size, "now": now}
        await tx.execute(_CUSTOMERS, rows | {"affected": affected})
        await tx.execute(_POINTS, rows)
    async with engine.connect() as connection:
        single = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await single.execute(text("VACUUM (ANALYZE) customers, contact_points"))
    return District(brand=brand, size=size, affected=affected)


async def add_cause(tx: AsyncSession, district: District) -> str:
    """Write a cause that is stopped, so that nobody hands anything of it over; return its id."""
    cause_id = new_id()
    await tx.execute(
        table(CauseRow)
        .insert()
        .values(
            id=cause_id,
            brand_id=district.brand.id,
            kind="outage",
            key=f"bench:{cause_id}",
            topic=TOPIC,
            state="stopped",
            counted=True,
            created_at=SystemClock().now(),
        )
    )
    return cause_id


def bare_values(
    district: District, cause_id: str, size: int, now: datetime, documents: tuple[str, str, str]
) -> dict[str, object]:
    """Fill in the bare statement; the documents are the segment, a plan and the variables."""
    segment, plan, variables = documents
    return {
        "brand": district.brand.id,
        "segment": segment,
        "size": size,
        "run": new_id()[:16],
        "cause": cause_id,
        "topic": TOPIC,
        "plan": plan,
        "variables": variables,
        "class": MessageClass.SERVICE.value,
        "lane": Lane.CRITICAL.value,
        "now": now,
        "end": now.replace(year=now.year + 1),
    }
