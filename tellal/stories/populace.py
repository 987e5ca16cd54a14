"""The bank's hundred thousand customers, written into the database by a few statements.

Over HTTP they would take longer than all that is told of them. Everybody has a number from one up,
from which follows where he lives and how he can be reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.ids import new_id

SIZE = 100_000
PREFIX = "+90535"
"""What all of their phone numbers begin with; no operator has given these out."""
TOKENS = "token-holder-"
_RANDOM_PART = 16

PROVINCES = ("Eskişehir", "Kütahya")
"""Where the payment switch fails: five and four of a hundred customers live there."""
TOWN = "Bilecik"
"""Where the app fails later: one of a thousand lives there."""

_CUSTOMERS = """
INSERT INTO customers (id, brand_id, ref, kind, locale, timezone, country, first_name, facts,
                       created_at, updated_at)
SELECT :ids || lpad(n::text, 10, '0'), :brand, 'holder-' || n,
       CASE WHEN n / 100 % 37 = 3 THEN 'merchant' ELSE 'individual' END, 'tr-TR', :timezone, 'TR',
       'Deniz', jsonb_build_object('customer.city', CASE
           WHEN n % 100 < 5 THEN 'Eskişehir' WHEN n % 100 < 9 THEN 'Kütahya'
           WHEN n % 1000 = 9 THEN 'Bilecik' WHEN n % 100 < 60 THEN 'İstanbul'
           WHEN n % 100 < 80 THEN 'Ankara' ELSE 'İzmir' END), :now, :now
FROM generate_series(1, :size) AS n
"""
_POINTS = """
INSERT INTO contact_points (id, brand_id, customer_id, channel, address, bad_reason, created_at)
SELECT :points || k || lpad(n::text, 9, '0'), :brand, :ids || lpad(n::text, 10, '0'),
       (ARRAY['sms', 'email', 'push'])[k],
       (ARRAY[:prefix || lpad(n::text, 7, '0'), 'holder-' || n || '@example.com',
              :tokens || n])[k], '', :now
FROM generate_series(1, :size) AS n, generate_series(1, 3) AS k
WHERE (ARRAY[n / 100 % 50 <> 7, n / 100 % 4 < 3, n / 100 % 5 < 2])[k]
"""
_BRAND = text("SELECT id FROM brands WHERE name = :name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Populace:
    """Everybody, and by which names the database and the brand know him."""

    ids: str

    def ref(self, customer_id: str) -> str:
        """Return the brand's name of a customer."""
        return f"holder-{int(customer_id.removeprefix(self.ids))}"


async def settle(tx: AsyncSession, brand: str, now: datetime) -> Populace:
    """Write the customers of a brand and their addresses."""
    brand_id = (await tx.execute(_BRAND, {"name": brand})).scalar_one()
    populace = Populace(ids=new_id()[:_RANDOM_PART])
    rows = {"ids": populace.ids, "brand": brand_id, "size": SIZE, "now": now}
    await tx.execute(text(_CUSTOMERS), {**rows, "timezone": daylight(now)})
    more = {"points": new_id()[:_RANDOM_PART], "prefix": PREFIX, "tokens": TOKENS}
    await tx.execute(text(_POINTS), {**rows, **more})
    await tx.execute(text("ANALYZE customers, contact_points"))
    return populace


def daylight(now: datetime) -> str:
    """Return a time zone in which it is about noon.

    By night a bank's all-clear waits for the morning, and so would the story. Zones of this name
    count westwards: Etc/GMT-3 is three hours ahead.
    """
    ahead = 12 - now.hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/UTC"


def those(numbers: Sequence[int]) -> list[str]:
    """Return the tokens of the apps of some customers."""
    return [f"{TOKENS}{number}" for number in numbers]
