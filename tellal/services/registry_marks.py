"""Writes down how far each record is on its way to İYS."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.errors import NotFoundError
from tellal.domain.registry import RegistryRecord
from tellal.domain.registry_answers import Told
from tellal.persistence.bulk import among
from tellal.persistence.columns import table
from tellal.persistence.tables.registry import RegistryPushRow
from tellal.services.registry_ledger import LOOK_AT, PushState

_pushes = table(RegistryPushRow)

_LEFT_BEHIND = text(
    """
UPDATE registry_pushes SET state = 'waiting', next_at = :now, code = 'unanswered'
WHERE brand_id = :brand AND state = 'sending'
"""
)


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


async def ask_later(tx: AsyncSession, batch: str, at: datetime) -> None:
    """Ask of a batch again at a moment."""
    mine = (_pushes.c.batch == batch) & (_pushes.c.state == PushState.SENT.value)
    await tx.execute(update(_pushes).where(mine).values(next_at=at))
