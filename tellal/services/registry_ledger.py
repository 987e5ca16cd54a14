"""What the ledger holds of each consent that İYS must know: read, marked, settled.

The address stays in the ledger of consents alone, so that erasing it there erases it altogether.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import RecipientType
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import ConsentState
from tellal.domain.errors import NotFoundError
from tellal.domain.registry import (
    KINDS,
    PARTIES,
    STATUSES,
    Account,
    Known,
    Party,
    RegistryKey,
    RegistryLaw,
    RegistryRecord,
    Told,
    in_registry_time,
)
from tellal.persistence.bulk import among
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

# Of one key only the oldest that is under way, so that İYS hears things in their order.
_NEXT = text(
    """
SELECT push.consent_id AS id, push.attempts, consent.channel, consent.state,
       consent.recipient_type, consent.source, consent.address, consent.given_at,
       consent.delegation
FROM registry_pushes AS push JOIN consents AS consent ON consent.id = push.consent_id
WHERE push.brand_id = :brand AND push.state = 'waiting' AND push.due_at IS NOT NULL
  AND push.next_at <= :now
  AND NOT EXISTS (
      SELECT FROM consents AS earlier
      JOIN registry_pushes AS other ON other.consent_id = earlier.id
      WHERE consent.address <> '' AND earlier.brand_id = consent.brand_id
        AND earlier.address = consent.address AND earlier.channel = consent.channel
        AND earlier.recipient_type = consent.recipient_type
        AND other.state IN ('waiting', 'sending', 'sent')
        AND (earlier.given_at, earlier.id) < (consent.given_at, consent.id)
  )
ORDER BY push.due_at, push.consent_id
LIMIT :most
"""
)
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
_LEFT_BEHIND = text(
    """
UPDATE registry_pushes SET state = 'waiting', next_at = :now, code = 'unanswered'
WHERE brand_id = :brand AND state = 'sending'
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
    return [_waiting(row, law) for row in await tx.execute(_NEXT, said)]


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


async def take_back_unanswered(tx: AsyncSession, brand_id: str, now: datetime) -> None:
    """Let what a worker was telling when it died be told again: İYS refuses what it has."""
    await tx.execute(_LEFT_BEHIND, {"brand": brand_id, "now": now})


async def mark_sending(
    tx: AsyncSession, records: Mapping[str, RegistryRecord], now: datetime
) -> list[str]:
    """Write down that İYS is about to be told these; return those that still waited."""
    done = []
    for consent_id, record in records.items():
        mine = (_pushes.c.consent_id == consent_id) & (_pushes.c.state == PushState.WAITING.value)
        sending = update(_pushes).where(mine)
        values = {
            "state": PushState.SENDING.value,
            "attempts": _pushes.c.attempts + 1,
            "consent_date": record.given_at,
            "pushed_at": now,
            "code": "",
            "batch": "",
            "part": "",
        }
        found = await tx.execute(sending.values(**values).returning(_pushes.c.consent_id))
        done += found.scalars().all()
    return done


async def mark_sent(
    tx: AsyncSession, parts: Mapping[str, str], batch: str, ask_at: datetime
) -> None:
    """Write down İYS' names for what it has queued."""
    for consent_id, part in parts.items():
        await tx.execute(
            update(_pushes)
            .where(_pushes.c.consent_id == consent_id)
            .values(state=PushState.SENT.value, batch=batch, part=part, next_at=ask_at)
        )


async def look_again(tx: AsyncSession, brand_id: str, now: datetime) -> int:
    """Let what İYS or our own check refused be told again; return how many records it were."""
    refused = _pushes.c.state.in_([state.value for state in LOOK_AT])
    again = update(_pushes).where(_pushes.c.brand_id == brand_id, refused)
    values = {"state": PushState.WAITING.value, "next_at": now, "settled_at": None}
    return len((await tx.execute(again.values(**values).returning(_pushes.c.consent_id))).all())


async def dismiss(tx: AsyncSession, brand_id: str, consent_id: str, now: datetime) -> None:
    """Leave what was refused as it is: somebody has looked at it.

    Raises:
        NotFoundError: The brand has no such record that was refused.
    """
    refused = _pushes.c.state.in_([state.value for state in LOOK_AT])
    mine = (_pushes.c.consent_id == consent_id) & (_pushes.c.brand_id == brand_id) & refused
    leave = update(_pushes).where(mine).values(state=PushState.NEEDLESS.value, settled_at=now)
    if (await tx.execute(leave.returning(_pushes.c.consent_id))).one_or_none() is None:
        raise NotFoundError("no such record that was refused")


async def settle(
    tx: AsyncSession, consent_id: str, state: PushState, told: Told, now: datetime
) -> None:
    """Write down what came of a record."""
    await tx.execute(
        update(_pushes)
        .where(_pushes.c.consent_id == consent_id)
        .values(state=state.value, code=told.code, transaction=told.transaction, settled_at=now)
    )


async def try_again(tx: AsyncSession, ids: Collection[str], at: datetime, code: str) -> None:
    """Let records wait until a moment."""
    await tx.execute(
        update(_pushes)
        .where(among(_pushes.c.consent_id))
        .values(state=PushState.WAITING.value, next_at=at, code=code),
        {"among": list(ids)},
    )


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


async def ask_later(tx: AsyncSession, batch: str, at: datetime) -> None:
    """Ask of a batch again at a moment."""
    mine = (_pushes.c.batch == batch) & (_pushes.c.state == PushState.SENT.value)
    await tx.execute(update(_pushes).where(mine).values(next_at=at))


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
