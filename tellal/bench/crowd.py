"""A brand with any number of customers, and messages to them, written by a few SQL statements.

What is measured begins where deciding ends, so rows are made as PostgreSQL makes them fastest.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import SystemClock
from tellal.domain.channels import Lane
from tellal.ids import new_id
from tellal.services.brands import create_brand
from tellal.services.posting import LANE_CHANNEL

TOPIC = "outage_notice"
"""What the messages speak of: a text of two segments with variables and a condition."""

VARIABLES = {
    "outage": {
        "area": "Çamlık ve Yenidoğan",
        "expected_end": "21:30",
        "workaround": "Evinde yaşam destek cihazı olanlar sağlık merkezine başvurabilir",
        "hotline": "186",
    }
}
_PATIENCE = timedelta(days=1)
_EXPIRES = timedelta(hours=6)
_RANDOM_PART = 16
"""How much of a new id begins the ids of a batch; the rest counts."""

_CUSTOMERS = text("""
INSERT INTO customers (id, brand_id, ref, kind, locale, timezone, country, first_name, facts,
                       created_at, updated_at)
SELECT :ids || lpad(n::text, 10, '0'), :brand, 'bench-' || n, 'individual', 'tr-TR',
       'Europe/Istanbul', 'TR', 'Deniz', '{}', :now, :now
FROM generate_series(1, :size) AS n
""")
_POINTS = text("""
INSERT INTO contact_points (id, brand_id, customer_id, channel, address, bad_reason, created_at)
SELECT :ids || lpad(n::text, 10, '0'), :brand, :ids || lpad(n::text, 10, '0'), 'sms',
       '+48601' || lpad(n::text, 6, '0'), '', :now
FROM generate_series(1, :size) AS n
""")
_CAUSE = text("""
INSERT INTO causes (id, brand_id, kind, key, topic, state, counted, created_at)
VALUES (:cause, :brand, 'outage', :key, :topic, :state, true, :now)
""")
_OUTCOMES = text("""
INSERT INTO outcomes (id, brand_id, cause_id, customer_id, topic, content_version, state, reason,
                      plan, tries, created_at)
SELECT :ids || lpad(n::text, 10, '0'), :brand, :cause, :people || lpad(n::text, 10, '0'), :topic,
       1, 'open', '', CAST(:plan AS jsonb), 1, :now
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
""")
_MESSAGES = text("""
INSERT INTO messages (id, brand_id, cause_id, outcome_id, customer_id, contact_point_id, topic,
                      message_class, channel, lane, priority, try_no, step, language, variables,
                      state, state_at, not_before, expires_at, attempt, provider, reference,
                      receipts, code, subject, text, created_at)
SELECT :ids || lpad(n::text, 10, '0'), :brand, :cause, :ids || lpad(n::text, 10, '0'),
       :people || lpad(n::text, 10, '0'), :people || lpad(n::text, 10, '0'), :topic, 'service',
       'sms', :lane, 0, 1, 0, 'tr', CAST(:variables AS jsonb), 'queued', :now, :now, :end, 0, '',
       '', '', '', '', '', :now
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
""")
_TAKEN = text("""
UPDATE messages
SET state = 'accepted', provider = 'twilio', receipts = 'delivery', attempt = 1, handed_at = :now,
    reference = 'SM' || md5(id), text = 'bench', route = 'twilio'
WHERE cause_id = :cause
""")
_ANALYSE = text("ANALYZE causes, outcomes, messages")
_MANY = 400
_RING = text("SELECT pg_notify(:channel, :lane)")
_BEGIN = text("UPDATE causes SET state = 'running' WHERE id = :cause")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Customers with a number each, from one up to `size`."""

    brand_id: str
    ids: str
    size: int

    def address(self, number: int) -> str:
        """Return where a customer's texts go."""
        return f"+48601{number:06}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Messages of one cause to the customers `first` to `last`."""

    cause_id: str
    ids: str
    lane: Lane
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many messages they are."""
        return self.last - self.first + 1

    def message_id(self, number: int) -> str:
        """Return the id of the message to a customer."""
        return f"{self.ids}{number:010}"


async def gather_crowd(tx: AsyncSession, size: int) -> Crowd:
    """Write a brand and its customers, each with a number for texts."""
    now = SystemClock().now()
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
    crowd = Crowd(brand_id=brand.id, ids=new_id()[:_RANDOM_PART], size=size)
    rows = {"ids": crowd.ids, "brand": brand.id, "size": size, "now": now}
    await tx.execute(_CUSTOMERS, rows)
    await tx.execute(_POINTS, rows)
    await tx.execute(text("ANALYZE customers, contact_points"))
    return crowd


async def open_cause(tx: AsyncSession, crowd: Crowd, *, running: bool) -> str:
    """Write a cause; until it runs nothing of it leaves."""
    cause_id = new_id()
    await tx.execute(
        _CAUSE,
        {
            "cause": cause_id,
            "key": f"bench:{cause_id}",
            "brand": crowd.brand_id,
            "topic": TOPIC,
            "state": "running" if running else "prepared",
            "now": SystemClock().now(),
        },
    )
    return cause_id


async def queue(
    tx: AsyncSession, crowd: Crowd, cause_id: str, lane: Lane, *, first: int, last: int
) -> Batch:
    """Write the outcome and the message of each customer from `first` to `last`, ring the lane."""
    now = SystemClock().now()
    batch = Batch(cause_id=cause_id, ids=new_id()[:_RANDOM_PART], lane=lane, first=first, last=last)
    rows = {
        "ids": batch.ids,
        "people": crowd.ids,
        "brand": crowd.brand_id,
        "cause": cause_id,
        "topic": TOPIC,
        "first": first,
        "last": last,
        "now": now,
    }
    await tx.execute(_OUTCOMES, {**rows, "plan": json.dumps(plan(lane))})
    if batch.size >= _MANY:
        # PostgreSQL finds out within a minute how large a table has become. Until then it may check
        # every new row's references by reading the whole of it, as was good for a small one.
        await tx.execute(_ANALYSE)
    more = {"lane": lane.value, "variables": json.dumps(VARIABLES), "end": now + _EXPIRES}
    await tx.execute(_MESSAGES, {**rows, **more})
    if batch.size >= _MANY:
        await tx.execute(_ANALYSE)
    await tx.execute(_RING, {"channel": LANE_CHANNEL, "lane": lane.value})
    return batch


async def let_run(tx: AsyncSession, batch: Batch) -> None:
    """Let a prepared cause run, and ring the lane of its messages."""
    await tx.execute(_BEGIN, {"cause": batch.cause_id})
    await tx.execute(_RING, {"channel": LANE_CHANNEL, "lane": batch.lane.value})


async def mark_taken(tx: AsyncSession, batch: Batch, now: datetime) -> None:
    """Write as if Twilio had taken the messages, so that it may tell of them."""
    await tx.execute(_TAKEN, {"cause": batch.cause_id, "now": now})


def reference_of(message_id: str) -> str:
    """Return Twilio's name of a message that `mark_taken` wrote."""
    return f"SM{hashlib.md5(message_id.encode(), usedforsecurity=False).hexdigest()}"


def plan(lane: Lane) -> dict[str, object]:
    """Return what a journey of one text pins."""
    return {
        "steps": [{"channel": "sms", "patience_s": _PATIENCE.total_seconds()}],
        "attempts": 1,
        "every_s": 3600.0,
        "expires_s": _EXPIRES.total_seconds(),
        "lane": lane.value,
        "class": "service",
        "priority": 0,
        "rule": "bench",
        "revision": "bench",
        "language": "tr",
        "variables": VARIABLES,
    }
