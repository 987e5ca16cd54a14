"""What the records say of an outage's rounds: the ledger, and the carriers' books beside it.

Stories act over HTTP only. Whether a promise was kept is asked of the records themselves.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Row, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tellal.persistence.session import make_engine
from tellal.stories.client import Carrier, Json, Mailbox

_OWN_ID = re.compile(r"<([^@>]+)@")
_MANY = 100_000

_ROUNDS = "SELECT id, kind, cause_id FROM outage_notices WHERE outage_id = :outage ORDER BY number"
_MESSAGES = """
SELECT m.id, m.customer_id, m.channel, m.state, m.attempt, n.kind
FROM messages m JOIN outage_notices n ON n.cause_id = m.cause_id
WHERE n.outage_id = :outage
"""
_HANDED = """
SELECT count(*) FROM messages m JOIN outage_notices n ON n.cause_id = m.cause_id
WHERE n.outage_id = :outage AND n.kind = :kind AND m.state IN ('accepted', 'sent', 'delivered')
"""
_INTENTS = """
SELECT count(*) AS number, max(a.intended_at) AS last
FROM attempts a JOIN messages m ON m.id = a.message_id
JOIN outage_notices n ON n.cause_id = m.cause_id
WHERE n.outage_id = :outage AND n.kind = ANY(:kinds)
"""
_OUTCOMES = """
SELECT n.kind, o.customer_id, o.state, o.reason
FROM outcomes o JOIN outage_notices n ON n.cause_id = o.cause_id
WHERE n.outage_id = :outage
"""
_LIVING = """
SELECT id FROM customers
WHERE brand_id = (SELECT brand_id FROM outages WHERE id = :outage)
  AND facts->>'customer.city' = ANY(:cities)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intents:
    """How many calls to providers were announced for some rounds, and when the last was."""

    number: int
    last: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the ledger knows of a message of an outage; one that was `tried` once meant to leave."""

    id: str
    customer_id: str
    channel: str
    state: str
    kind: str
    tried: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A message that a carrier or the mailbox took, by the id that it carried."""

    id: str
    channel: str
    at: datetime


class Ledger:
    """Reads the ledger; writes nothing."""

    def __init__(self, database_url: str) -> None:
        self._engine: AsyncEngine = make_engine(database_url, pool=2)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._engine.dispose()

    async def handed(self, outage_id: str, kind: str) -> int:
        """Count the messages of a kind of round that a provider has taken."""
        return int((await self._all(_HANDED, outage=outage_id, kind=kind))[0][0])

    async def intents(self, outage_id: str, kinds: Collection[str]) -> Intents:
        """Count the calls that were announced for some kinds of rounds."""
        row = (await self._all(_INTENTS, outage=outage_id, kinds=list(kinds)))[0]
        return Intents(number=row.number, last=row.last)

    async def messages(self, outage_id: str) -> list[Told]:
        """List the messages of all rounds."""
        return [
            Told(
                id=row.id,
                customer_id=row.customer_id,
                channel=row.channel,
                state=row.state,
                kind=row.kind,
                tried=row.attempt > 0,
            )
            for row in await self._all(_MESSAGES, outage=outage_id)
        ]

    async def outcomes(self, outage_id: str, kind: str) -> dict[str, tuple[str, str]]:
        """Return state and reason of everybody's outcome in a kind of round."""
        found = await self._all(_OUTCOMES, outage=outage_id)
        return {row.customer_id: (row.state, row.reason) for row in found if row.kind == kind}

    async def totals(self, outage_id: str) -> dict[str, dict[str, int]]:
        """Count the outcomes of each kind of round by state, one by one."""
        totals: dict[str, Counter[str]] = {}
        for row in await self._all(_OUTCOMES, outage=outage_id):
            totals.setdefault(row.kind, Counter())[row.state] += 1
        return {kind: dict(counted) for kind, counted in totals.items()}

    async def living_in(self, outage_id: str, cities: Iterable[str]) -> frozenset[str]:
        """Return the customers of an outage's brand who live in some places."""
        found = await self._all(_LIVING, outage=outage_id, cities=list(cities))
        return frozenset(row.id for row in found)

    async def _all(self, query: str, **values: object) -> list[Row[Any]]:
        bound = text(query).bindparams(*(bindparam(name, value) for name, value in values.items()))
        async with self._engine.connect() as connection:
            return list((await connection.execute(bound)).all())


async def taken(carrier: Carrier, mailbox: Mailbox) -> list[Taken]:
    """Return everything that the carriers and the mailbox took, by the ids of our messages."""
    entries = await carrier.book(limit=_MANY)
    letters = await mailbox.delivered()
    return [
        *(Taken(id=one["message_id"], channel=one["channel"], at=_at(one)) for one in entries),
        *(Taken(id=_own_id(one), channel="email", at=_at(one)) for one in letters),
    ]


def _own_id(letter: Json) -> str:
    found = _OWN_ID.match(str(letter["message_id"]))
    return found[1] if found else ""


def _at(entry: Json) -> datetime:
    return datetime.fromisoformat(entry["at"])
