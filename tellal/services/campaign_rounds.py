"""The rounds of campaigns: how far each is, and how many may be told at this moment.

What bounds it is looked at before every chunk: the instant of the wave, the hours in which the
campaign speaks, its pace, and what is left of its budget.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.campaigns import LOCAL, Plan
from tellal.domain.errors import NotFoundError
from tellal.domain.messages import UNSENT
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.campaign_times import opens_at
from tellal.services.campaign_views import campaigns, causes_of, rounds, runs
from tellal.services.prices import Prices
from tellal.services.round_reading import DECIDING, Place, Round, hold_row, move_row

_messages = table(MessageRow)

BUDGET = "budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many may be told now, and when to ask again if it is none; `why` says what is used up."""

    most: int | None
    until: datetime | None = None
    why: str = ""


class CampaignRounds:
    """Reads, holds and moves rounds of campaigns."""

    def __init__(self, clock: Clock, prices: Prices) -> None:
        self._clock = clock
        self._prices = prices

    async def read(self, tx: AsyncSession, round_id: str) -> Round:
        """Read a round without locking it, with how many may be told now.

        Raises:
            NotFoundError: There is no such round.
        """
        row = await self._row(tx, round_id)
        found = Round(
            id=row.id,
            brand_id=row.brand_id,
            cause_id=row.cause_id,
            topic=row.topic,
            facts={},
            variables={"campaign": row.variables},
            parts=row.parts,
            place=Place(**row.cursor),
            runs=row.state == DECIDING,
            begins=not row.cursor,
            expires_at=row.expires_at,
            simulated=row.simulated,
            cause_kind="campaign",
        )
        return replace(found, most=(await self._room(tx, row, found.place)).most)

    async def room(self, tx: AsyncSession, round_id: str) -> Room:
        """Say how many of a round may be told now.

        Raises:
            NotFoundError: There is no such round.
        """
        row = await self._row(tx, round_id)
        return await self._room(tx, row, Place(**row.cursor))

    async def hold(self, tx: AsyncSession, one: Round) -> bool:
        """Lock a round that is where it was read; False if it is not, or somebody is at it."""
        return await hold_row(tx, rounds, one)

    async def move(
        self, tx: AsyncSession, one: Round, place: Place, now: datetime, *, told: int
    ) -> bool:
        """Write how far a round has come, and take from its run's pace whom it tells."""
        query = (
            select(runs.c.id, runs.c.pace, campaigns.c.plan)
            .join(rounds, rounds.c.run_id == runs.c.id)
            .join(campaigns, campaigns.c.id == runs.c.campaign_id)
            .where(rounds.c.id == one.id)
            .with_for_update(key_share=True, of=runs)
        )
        run = (await tx.execute(query)).one()
        per_second = Plan.of(run.plan).per_second
        if per_second is not None:
            left = _tokens(run.pace, per_second, now) - told
            pace = {"tokens": left, "at": now.isoformat()}
            await tx.execute(update(runs).where(runs.c.id == run.id).values(pace=pace))
        return await move_row(tx, rounds, one, place, now)

    async def _row(self, tx: AsyncSession, round_id: str) -> Row[Any]:
        query = (
            select(rounds, runs.c.pace, campaigns.c.plan)
            .join(runs, runs.c.id == rounds.c.run_id)
            .join(campaigns, campaigns.c.id == rounds.c.campaign_id)
            .where(rounds.c.id == round_id)
        )
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError("no such round")
        return row

    async def _room(self, tx: AsyncSession, row: Row[Any], place: Place) -> Room:
        if place.part >= len(row.parts):
            return Room(most=None)
        now, plan, part = self._clock.now(), Plan.of(row.plan), row.parts[place.part]
        opens = await self._opens(tx, row, plan, part, now)
        if opens is not None:
            return Room(most=0, until=opens)
        if part.get("withheld"):
            return Room(most=None)
        return await self._affordable_now(tx, row, plan, now)

    async def _affordable_now(
        self, tx: AsyncSession, row: Row[Any], plan: Plan, now: datetime
    ) -> Room:
        """Say how many pace and budget allow."""
        most = None
        if plan.per_second is not None:
            tokens = _tokens(row.pace, plan.per_second, now)
            most = math.floor(tokens)
            if most < 1:
                lacks = timedelta(seconds=(1 - tokens) / plan.per_second)
                return Room(most=0, until=now + lacks)
        if plan.budget is None:
            return Room(most=most)
        affordable = max(0, await self._affordable(tx, row, plan.budget))
        if not affordable:
            return Room(most=0, why=BUDGET)
        return Room(most=affordable if most is None else min(most, affordable))

    async def _opens(
        self, tx: AsyncSession, row: Row[Any], plan: Plan, part: Mapping[str, Any], now: datetime
    ) -> datetime | None:
        """Return when the part may be told, None if now: its wave has come and its hours are on."""
        begins = datetime.fromisoformat(part["at"])
        if begins > now or part.get("withheld"):
            return begins if begins > now else None
        zone = part["zones"][0] if part.get("zones") else plan.when.zone
        if zone == LOCAL:
            zone = (await read_brand(tx, row.brand_id)).timezone
        return opens_at(plan.when.window, zone, now)

    async def _affordable(self, tx: AsyncSession, row: Row[Any], budget: Decimal) -> int:
        """Return how many more messages a run can pay for, each as dear as the dearest so far."""
        waits = _messages.c.state.in_(sorted(UNSENT)) & _messages.c.cost.is_(None)
        query = select(
            func.coalesce(func.sum(_messages.c.cost), 0),
            func.max(_messages.c.cost),
            func.count().filter(waits),
        ).where(_messages.c.cause_id.in_(await causes_of(tx, row.run_id)))
        spent, dearest, waiting = (await tx.execute(query)).one()
        each = max(dearest or Decimal(0), self._prices.dearest(row.topic))
        if not each:
            return 1_000_000
        return int((budget - spent) / each) - int(waiting)


def _tokens(pace: Mapping[str, Any], per_second: float, now: datetime) -> float:
    """Return how many may be told now: a second's worth at most, and one at least in the end."""
    most = max(1.0, per_second)
    if not pace:
        return most
    since = now - datetime.fromisoformat(pace["at"])
    return min(most, float(pace["tokens"]) + per_second * max(0.0, since.total_seconds()))
