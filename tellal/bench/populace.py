"""A brand with a million customers and their past, and thirty rules to ask about them.

Everything is written by set-based statements, without the checks that rows made one by one pass:
what is measured begins when the rows are there.
"""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from rules.rulebook import Rulebook, load_rulebook
from tellal.persistence.session import Sessions
from tellal.services.brands import create_brand

AT = datetime(2026, 3, 2, 17, 30, tzinfo=UTC)
"""A Monday, half past eight in the evening in Istanbul: quiet hours have begun in part of it."""
TOPIC = "card_offer"
CONSENTS_EACH, MESSAGES_EACH = 3, 2

_UNCHECKED = "SET LOCAL session_replication_role = replica"
_CUSTOMERS = """
INSERT INTO customers (id, brand_id, ref, kind, locale, timezone, country, first_name, facts,
                       created_at, updated_at)
SELECT 'P' || lpad(n::text, 25, '0'), :brand, 'p' || n,
       CASE WHEN n % 11 = 0 THEN 'merchant' ELSE 'individual' END,
       CASE WHEN n % 5 = 0 THEN 'en-GB' ELSE 'tr-TR' END,
       (ARRAY['Europe/Istanbul', 'Europe/Istanbul', 'Europe/Istanbul', 'Europe/Warsaw'])[1 + n % 4],
       (ARRAY['TR', 'TR', 'TR', 'PL'])[1 + n % 4], 'Deniz',
       jsonb_strip_nulls(jsonb_build_object(
           'customer.segment', (ARRAY['mass', 'affluent', 'private', 'youth', 'business'])
                               [1 + (h(n, 1) % 5)],
           'customer.city', (ARRAY['Ankara', 'İzmir', 'İstanbul', 'Şırnak', 'Muğla', 'Iğdır'])
                            [1 + (h(n, 2) % 6)],
           'customer.age', CASE WHEN h(n, 3) % 20 > 0 THEN 15 + h(n, 3) % 80 END,
           'customer.balance', h(n, 4) % 100000,
           'customer.visits', CASE WHEN h(n, 5) % 3 > 0 THEN h(n, 5) % 40 END,
           'customer.risk', h(n, 6) % 1000,
           'customer.app.installed', CASE WHEN h(n, 7) % 4 > 0 THEN h(n, 7) % 2 = 0 END,
           'customer.login.method', (ARRAY['cep_anahtar', 'sms_otp', 'password', 'branch'])
                                    [1 + (h(n, 8) % 4)],
           'customer.products', CASE WHEN h(n, 9) % 6 = 0 THEN '["card"]'::jsonb
                                     WHEN h(n, 9) % 6 = 1 THEN '["card", "loan"]'::jsonb
                                     WHEN h(n, 9) % 6 = 2 THEN '["deposit"]'::jsonb END,
           'customer.contract.ends', to_char(date '2026-01-01' + (h(n, 10) % 500)::int,
                                             'YYYY-MM-DD'))),
       :now, :now
FROM generate_series(1, :size) AS n
"""
_HASH = """
CREATE OR REPLACE FUNCTION pg_temp.h(n integer, salt integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(n, salt) & 1073741823)::integer
"""
_POINTS = """
INSERT INTO contact_points (id, brand_id, customer_id, channel, address, bad_reason, created_at)
SELECT 'A' || k || lpad(n::text, 24, '0'), :brand, 'P' || lpad(n::text, 25, '0'),
       (ARRAY['sms', 'email', 'push'])[k],
       CASE k WHEN 1 THEN '+90532' || lpad(n::text, 7, '0') WHEN 2 THEN n || '@example.com'
              ELSE 'token-' || n END,
       CASE WHEN h(n, 20 + k) % 20 = 0 THEN 'gone' ELSE '' END, :now
FROM generate_series(1, :size) AS n, generate_series(1, 3) AS k
WHERE k < 3 OR n % 3 = 0
"""
_CONSENTS = """
INSERT INTO consents (id, brand_id, customer_id, channel, state, source, evidence, given_at,
                      recorded_at)
SELECT 'C' || k || lpad(n::text, 24, '0'), :brand, 'P' || lpad(n::text, 25, '0'),
       (ARRAY['sms', 'email', 'push'])[k],
       CASE WHEN h(n, 30 + k) % 4 = 0 THEN 'refused' ELSE 'granted' END, 'branch', '{}',
       CAST(:now AS timestamptz) - h(n, 40 + k) % 1000 * interval '1 day', :now
FROM generate_series(1, :size) AS n, generate_series(1, 3) AS k
"""
_CAUSES = """
INSERT INTO causes (id, brand_id, kind, key, topic, state, counted, created_at)
SELECT 'K' || k, :brand, 'campaign', 'bench:' || k, :topic, 'running', false, :now
FROM generate_series(1, 2) AS k
"""
_OUTCOMES = """
INSERT INTO outcomes (id, brand_id, cause_id, customer_id, topic, content_version, state, reason,
                      plan, tries, created_at)
SELECT 'O' || k || lpad(n::text, 24, '0'), :brand, 'K' || k, 'P' || lpad(n::text, 25, '0'),
       CASE WHEN k = 1 AND n % 10 = 0 THEN CAST(:topic AS text) ELSE 'fund_offer' END, 1,
       CASE WHEN n % 3 = 0 THEN 'told' ELSE 'expired' END, '', '{}', 1, :now
FROM generate_series(1, :size) AS n, generate_series(1, 2) AS k
"""
_MESSAGES = """
INSERT INTO messages (id, brand_id, cause_id, outcome_id, customer_id, topic, message_class,
                      channel, lane, priority, try_no, step, language, variables, state, state_at,
                      not_before, expires_at, text, attempt, provider, reference, receipts, code,
                      subject, handed_at, created_at)
SELECT 'M' || k || lpad(n::text, 24, '0'), :brand, 'K' || k, 'O' || k || lpad(n::text, 24, '0'),
       'P' || lpad(n::text, 25, '0'), 'fund_offer', 'commercial',
       CASE WHEN h(n, 50 + k) % 2 = 0 THEN 'sms' ELSE 'email' END, 'bulk', 50, 1, 0, 'tr', '{}',
       'delivered', :now, :now, :now, 'Bir teklifimiz var', 1, 'bench', '', '', '', '',
       CAST(:now AS timestamptz) - h(n, 60 + k) % 90 * interval '1 day', :now
FROM generate_series(1, :size) AS n, generate_series(1, 2) AS k
"""
_CAP_USES = """
INSERT INTO cap_uses (id, customer_id, cap, message_id, used_at)
SELECT 'U' || k || lpad(n::text, 24, '0'), 'P' || lpad(n::text, 25, '0'),
       CASE WHEN k = 1 THEN 'bench.weekly' ELSE 'bench.daily' END,
       'M' || k || lpad(n::text, 24, '0'),
       CAST(:now AS timestamptz) - h(n, 60 + k) % 90 * interval '1 day' - interval '1 hour'
FROM generate_series(1, :size) AS n, generate_series(1, 2) AS k
"""
_FIELDS = """
version: 1
fields:
  customer.segment: {type: text}
  customer.city: {type: text}
  customer.age: {type: int, pii: true}
  customer.balance: {type: int}
  customer.visits: {type: int}
  customer.risk: {type: int}
  customer.app.installed: {type: bool}
  customer.app.push_token: {type: bool}
  customer.login.method: {type: text}
  customer.products: {type: list}
  customer.contract.ends: {type: date}
  customer.kind: {type: text}
  customer.locale: {type: text}
"""
_RULES = """
version: 1
package: bench
topics:
  - {id: card_offer, means: A card, class: commercial, expires: 2d, on: [login],
     attempts: 2, every: 1d}
  - {id: fund_offer, means: A fund, class: commercial, expires: 2d}
events:
  - {type: login}
facts:
  - id: has_app
    when: {any: [{customer.login.method: cep_anahtar}, {customer.app.installed: true}]}
  - {id: active, when: {fact.has_app: true, customer.visits: {gte: 3}}}
  - {id: pushable, when: {fact.active: true, customer.app.push_token: true}}
  - {id: rich, when: {customer.balance: {gte: 80000}, customer.segment: [affluent, private]}}
  - {id: leaving, when: {customer.contract.ends: {due_within: 30d}, fact.active: false}}
suppress:
  - {id: minor, when: {topic: card_offer, customer.age: {lt: 18}}, reason: minor, text: Minor}
  - {id: has_card, when: {topic: card_offer, customer.products: card}, reason: has, text: Has one}
  - {id: risky, when: {customer.risk: {gte: GTE}}, reason: risk, text: Risk}
  - {id: poor, when: {customer.balance: {lt: 500}, fact.rich: false}, reason: poor, text: Poor}
  - {id: young, when: {customer.segment: youth, customer.visits: {lt: 2}}, reason: young, text: Y}
  - {id: shop, when: {customer.kind: merchant, customer.city: Muğla}, reason: kind, text: Merchant}
  - {id: old, when: {customer.age: {gte: 85}, fact.active: false}, reason: age, text: Old}
  - {id: branch, when: {customer.login.method: branch, customer.city: [Şırnak, Iğdır]},
     reason: branch, text: Branch}
  - {id: busy, when: {customer.segment: business, customer.balance: {between: [1000, 2000]}},
     reason: busy, text: Busy}
  - {id: leaves, when: {fact.leaving: true, customer.segment: mass}, reason: leaves, text: Leaving}
  - {id: ended, when: {customer.contract.ends: {before: 2026-01-20}}, reason: ended, text: Ended}
channels:
  - {id: digital, when: {topic: card_offer, fact.pushable: true}, send: [push, email, sms]}
  - {id: quick, when: {topic: card_offer, fact.rich: true}, send: [sms, email], wait_for: any}
  - {id: usual, when: {topic: card_offer}, send: USUAL}
  - {id: fund, when: {topic: fund_offer}, send: [sms]}
caps:
  - {id: daily, count: {class: commercial}, limit: 1, per: 24h, channel: sms,
     on_reach: next_channel, reason: enough, text: Enough}
  - {id: weekly, count: {class: commercial}, limit: 1, per: 7d, on_reach: suppress, reason: enough,
     text: Enough, when: {customer.segment: {not: private}}}
  - {id: monthly, count: {class: commercial}, limit: 3, per: calendar_month, on_reach: defer,
     reason: enough, text: Enough}
  - {id: texts, count: {class: commercial}, limit: 2, per: 30d, channel: sms,
     on_reach: next_channel, reason: enough, text: Enough}
quiet_hours:
  - {id: night, channels: [sms, push], between: [21:00, 09:00], action: defer, text: Night}
  - {id: evening, channels: [push], between: [20:00, 08:00], action: defer, text: Evening,
     when: {customer.age: {gte: 65}}}
  - {id: sunday, channels: [sms], days: [sun, holiday], action: next_channel, text: Sunday}
  - {id: poland, channels: [sms, email], countries: [PL], between: [18:00, 08:00], action: defer,
     text: Night in Poland}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Populace:
    """The brand that everybody belongs to, and how many they are."""

    brand_id: str
    size: int


async def settle(engine: AsyncEngine, sessions: Sessions, size: int) -> Populace:
    """Write a brand with so many customers, three consents and two messages each."""
    async with sessions() as tx, tx.begin():
        brand = await _brand(tx)
        await tx.execute(text(_UNCHECKED))
        await tx.execute(text(_HASH))
        rows = {"brand": brand, "size": size, "now": AT, "topic": TOPIC}
        parts = _CUSTOMERS, _POINTS, _CONSENTS, _CAUSES, _OUTCOMES, _MESSAGES, _CAP_USES
        for statement in parts:
            written = statement.replace(" h(", " pg_temp.h(").replace("(h(", "(pg_temp.h(")
            wanted = {name: rows[name] for name in rows if f":{name}" in written}
            await tx.execute(text(written), wanted)
    async with engine.connect() as connection:
        single = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await single.execute(text("VACUUM (ANALYZE)"))
    return Populace(brand_id=brand, size=size)


def thirty_rules(*, risk: int = 950, usual: str = "[email, sms]") -> Rulebook:
    """Load the rulebook; the arguments are what a changed one changes."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "fields.yaml").write_text(_FIELDS, encoding="utf-8")
        written = _RULES.replace("GTE}", f"{risk}}}").replace("USUAL", usual)
        (place / "bench.yaml").write_text(written, encoding="utf-8")
        return load_rulebook(place)


async def _brand(tx: AsyncSession) -> str:
    brand = await create_brand(
        tx,
        name="bench-population",
        trade_name="Porsuk Bankası A.Ş.",
        country="TR",
        timezone="Europe/Istanbul",
        phone="08500000001",
        email="iletisim@porsuk.example",
        mersis="0000000000000022",
        sms_sender="PORSUK",
        email_sender="Porsuk <bilgi@porsuk.example>",
        now=AT,
    )
    return brand.id
