"""Marks what holds cover and frees what released ones held, while lanes go on working.

A claim reads the holds itself, so a mark decides nothing: it keeps lanes from looking at held
messages again and again. Every batch is a transaction of a moment that waits for no message.
"""

import asyncio
from collections.abc import Sequence

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    String,
    and_,
    any_,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.holds import Hold
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import HoldRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.ports import Texts
from tellal.services.hold_reach import FREE, reached
from tellal.services.holds import in_force, to_hold
from tellal.services.posting import LANE_CHANNEL
from tellal.supervision import rest

_holds = table(HoldRow)
_messages = table(MessageRow)

_BATCH = 5_000
_SURVEY = 50_000
"""How many messages are named by one look at the ledger."""
_LOOK_EVERY_S = 5.0


class Marking:
    """Keeps `held_by` of messages in step with the holds; several may work side by side."""

    def __init__(self, sessions: Sessions, texts: Texts) -> None:
        self._sessions = sessions
        self._texts = texts

    async def run(self, stop: asyncio.Event) -> None:
        """Mark and free until told to stop."""
        while not stop.is_set():
            if not await self.mark_due():
                await rest(stop, _LOOK_EVERY_S)

    async def mark_due(self) -> int:
        """Mark what holds in force cover, free what released ones hold; return how many moved.

        What came into the ledger after a hold, or back to it from a provider, is marked, too.
        """
        held = exists().where(_messages.c.held_by == _holds.c.id)
        query = select(_holds).where(or_(_holds.c.released_at.is_(None), held))
        async with self._sessions() as tx:
            due = [to_hold(row) for row in await tx.execute(query.order_by(_holds.c.id))]
        moved = 0
        for hold in due:
            moved += await (self.mark(hold) if hold.in_force else self.free(hold))
        return moved

    async def mark(self, hold: Hold) -> int:
        """Mark what waits and falls under a hold; return how many messages were marked.

        Nothing is marked for a hold by route: the claim, which chooses the route, sees to it.
        """
        if hold.by_route:
            return 0
        async with self._sessions() as tx:
            covered = and_(FREE, await reached(tx, hold.brand_id, hold, self._texts))
        return await self._move(covered, to=hold)

    async def free(self, hold: Hold) -> int:
        """Free what a released hold held; what another one covers goes over to that one."""
        held = _messages.c.held_by == hold.id
        moved = 0
        async with self._sessions() as tx:
            others = [one for one in await in_force(tx, [hold.brand_id]) if not one.by_route]
            reaches = [await reached(tx, one.brand_id, one, self._texts) for one in others]
        for other, reach in zip(others, reaches, strict=True):
            moved += await self._move(and_(held, reach), to=other)
        return moved + await self._move(held, to=None)

    async def _move(self, condition: ColumnElement[bool], *, to: Hold | None) -> int:
        """Move messages under a hold, or to none, until none is left that nobody has locked."""
        total = 0
        while True:
            async with self._sessions() as tx:
                survey = select(_messages.c.id).where(condition).limit(_SURVEY)
                ids = (await tx.execute(survey)).scalars().all()
            moved = 0
            for start in range(0, len(ids), _BATCH):
                moved += await self._batch(ids[start : start + _BATCH], condition, to)
            total += moved
            if moved == 0 or len(ids) < _SURVEY:
                return total

    async def _batch(
        self, ids: Sequence[str], condition: ColumnElement[bool], to: Hold | None
    ) -> int:
        named = _messages.c.id == any_(literal(list(ids), ARRAY(String)))
        free = (
            select(_messages.c.id)
            .where(named, condition)
            .with_for_update(key_share=True, skip_locked=True)
        )
        change = (
            update(_messages)
            .where(_messages.c.id.in_(free))
            .values(held_by=None if to is None else to.id)
            .returning(_messages.c.lane)
        )
        async with self._sessions() as tx, tx.begin():
            if to is not None and not await _stands(tx, to):
                return 0
            lanes = (await tx.execute(change)).scalars().all()
            if to is None:
                for lane in sorted(set(lanes)):
                    await tx.execute(select(func.pg_notify(LANE_CHANNEL, lane)))
        return len(lanes)


async def _stands(tx: AsyncSession, hold: Hold) -> bool:
    """Say whether a hold is in force, and keep it from being released until the transaction ends.

    Or a message could be marked for a hold whose messages have been freed already.
    """
    query = select(_holds.c.id).where(_holds.c.id == hold.id, _holds.c.released_at.is_(None))
    return (await tx.execute(query.with_for_update(read=True))).one_or_none() is not None
