"""What the ledger holds of each consent that İYS must know: read, marked, settled.

The address stays in the ledger of consents alone, so that erasing it there erases it altogether.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import RecipientType
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import ConsentState
from tellal.domain.registry import (
    KINDS,
    PARTIES,
    STATUSES,
    Known,
    Party,
    RegistryKey,
    RegistryRecord,
    in_registry_time,
)
from tellal.domain.registry_answers import Account, RegistryLaw
from tellal.persistence.columns import table
from tellal.persistence.tables.registry import RegistryPushRow
from tellal.services.registry_clock import RegistryClock

_pushes = table(RegistryPushRow)


class PushState(StrEnum):
    """Where a record is on its way: `sending` is written down before İYS is asked.

    `known` stood there already, `needless` tells it nothing; `rejected` was refused by İYS and
    `blocked` by our own check, and somebody must look at both.
    """

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    ACCEPTED = "accepted"
    KNOWN = "known"
    NEEDLESS = "needless"
    REJECTED = "rejected"
    BLOCKED = "blocked"


UNDER_WAY = (PushState.WAITING, PushState.SENDING, PushState.SENT)
SETTLED = (PushState.ACCEPTED, PushState.KNOWN, PushState.NEEDLESS)
LOOK_AT = (PushState.REJECTED, PushState.BLOCKED)

Place = tuple[str, str]
"""An address and a channel: for each İYS keeps up to two records, one by role."""

_UNDATED = text(
    """
SELECT push.consent_id, consent.given_at
FROM registry_pushes AS push JOIN consents AS consent ON consent.id = push.consent_id
WHERE push.brand_id = :brand AND push.state = 'waiting' AND push.due_at IS NULL
LIMIT :most
"""
)
_DATE = text("UPDATE registry_pushes SET warn_at = :warn, due_at = :due WHERE consent_id = :id")

_NEXT = text(
    """
SELECT push.consent_id AS id, push.attempts, consent.channel, consent.state,
       consent.recipient_type, consent.source, consent.address, consent.given_at,
       consent.delegation
FROM registry_pushes AS push JOIN consents AS consent ON consent.id = push.consent_id
WHERE push.brand_id = :brand AND push.state = 'waiting' AND push.due_at IS NOT NULL
  AND push.next_at <= :now
ORDER BY push.due_at, push.consent_id
LIMIT :most
"""
)
_FIRST = text(
    """
SELECT DISTINCT ON (consent.address, consent.channel, consent.recipient_type) consent.id
FROM consents AS consent JOIN registry_pushes AS push ON push.consent_id = consent.id
WHERE consent.brand_id = :brand AND consent.address = ANY(:addresses)
  AND push.state IN ('waiting', 'sending', 'sent')
ORDER BY consent.address, consent.channel, consent.recipient_type, consent.given_at, consent.id
"""
)
"""Of each key the oldest that is under way. It is a question of its own: within the other one the
planner goes astray while its statistics lag behind an import (20 s for a batch)."""

_KNOWN = text(
    """
SELECT DISTINCT ON (consent.address, consent.channel, consent.recipient_type)
       consent.address, consent.channel, consent.recipient_type, consent.state, consent.source,
       coalesce(push.consent_date, consent.given_at) AS given_at
FROM consents AS consent LEFT JOIN registry_pushes AS push ON push.consent_id = consent.id
WHERE consent.brand_id = :brand AND consent.address = ANY(:addresses) AND consent.address <> ''
  AND (starts_with(consent.source, 'IYS_') OR push.state IN ('accepted', 'known'))
ORDER BY consent.address, consent.channel, consent.recipient_type,
         coalesce(push.consent_date, consent.given_at) DESC, consent.id DESC
"""
)
_TOLD = text(
    """
SELECT push.consent_id AS id, push.attempts, consent.channel, consent.state,
       consent.recipient_type, consent.source, consent.address, consent.given_at,
       consent.delegation, push.consent_date
FROM registry_pushes AS push JOIN consents AS consent ON consent.id = push.consent_id
WHERE push.consent_id = :id
"""
)
_BATCHES = text(
    """
SELECT batch, min(next_at) AS next_at, max(attempts) AS attempts FROM registry_pushes
WHERE brand_id = :brand AND state = 'sent'
GROUP BY batch HAVING min(next_at) <= :now ORDER BY min(next_at) LIMIT :most
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A row of the ledger that waits to be told: its id, how often it was tried, what it says.

    `record` is None where it cannot be written as İYS wants it; `because` says why.
    """

    id: str
    attempts: int
    place: Place
    given_at: datetime
    record: RegistryRecord | None
    because: str = ""


async def date_new(tx: AsyncSession, account: Account, clock: RegistryClock, *, most: int) -> int:
    """Write down until when İYS must know of what is new; return how many it were."""
    rows = (await tx.execute(_UNDATED, {"brand": account.brand_id, "most": most})).all()
    dated = []
    for row in rows:
        warn, due = clock.due(row.given_at, account)
        dated.append({"id": row.consent_id, "warn": warn, "due": due})
    if dated:
        await tx.execute(_DATE, dated)
    return len(dated)


async def next_of(
    tx: AsyncSession, account: Account, law: RegistryLaw, now: datetime, *, most: int
) -> list[Waiting]:
    """Return what is to be told next, the most urgent first and of each key the oldest alone."""
    said = {"brand": account.brand_id, "now": now, "most": most}
    rows = (await tx.execute(_NEXT, said)).all()
    addresses = sorted({row.address for row in rows if row.address})
    asked = {"brand": account.brand_id, "addresses": addresses}
    first = set((await tx.execute(_FIRST, asked)).scalars()) if addresses else set()
    return [_waiting(row, law) for row in rows if row.id in first or not row.address]


async def known_of(
    tx: AsyncSession, account: Account, places: Collection[Place]
) -> dict[Place, dict[Party, Known]]:
    """Return what İYS has for addresses, as far as it told us or was told by us."""
    said = {"brand": account.brand_id, "addresses": sorted({address for address, _ in places})}
    found: dict[Place, dict[Party, Known]] = {}
    for row in await tx.execute(_KNOWN, said):
        party = PARTIES[RecipientType(row.recipient_type)]
        found.setdefault((row.address, row.channel), {})[party] = Known(
            status=STATUSES[ConsentState(row.state)], given_at=row.given_at, source=row.source
        )
    return found


async def record_of(tx: AsyncSession, consent_id: str, law: RegistryLaw) -> RegistryRecord | None:
    """Return a record as İYS was told it; None if its address was erased meanwhile."""
    return as_record((await tx.execute(_TOLD, {"id": consent_id})).one(), law)


def as_record(row: Row[Any], law: RegistryLaw) -> RegistryRecord | None:
    """Return what İYS was told by a row of a push and its consent; None if it was erased."""
    record = _waiting(row, law).record
    return None if record is None else replace(record, given_at=row.consent_date)


async def due_batches(
    tx: AsyncSession, brand_id: str, now: datetime, *, most: int
) -> Sequence[Row[Any]]:
    """Return the batches of which it is time to ask."""
    return (await tx.execute(_BATCHES, {"brand": brand_id, "now": now, "most": most})).all()


async def parts_of(tx: AsyncSession, batch: str) -> dict[str, str]:
    """Return the records of a batch that wait for İYS' word, by its names for them."""
    query = select(_pushes.c.part, _pushes.c.consent_id).where(
        _pushes.c.batch == batch, _pushes.c.state == PushState.SENT.value
    )
    return {row.part: row.consent_id for row in await tx.execute(query)}


def _waiting(row: Row[Any], law: RegistryLaw) -> Waiting:
    place = (row.address, row.channel)
    status = STATUSES[ConsentState(row.state)]
    source = law.source(row.source, status)
    plain = {"id": row.id, "attempts": row.attempts, "place": place, "given_at": row.given_at}
    if not row.address or not source:
        because = "no_source" if row.address else "no_address"
        return Waiting(**plain, record=None, because=because)
    key = RegistryKey(
        recipient=row.address,
        party=PARTIES[RecipientType(row.recipient_type)],
        kind=KINDS[ConsentChannel(row.channel)],
    )
    record = RegistryRecord(
        key=key,
        status=status,
        source=source,
        given_at=in_registry_time(row.given_at),
        retailer=str(row.delegation.get("retailer", "")) if row.delegation else "",
    )
    return Waiting(**plain, record=record)
