"""Frees messages that waited for credit, gathers what was given back, and ends what stays open."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, String, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.channels import MessageClass
from tellal.domain.credit import EntryKind, Want, affordable
from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.credit import CreditAccountRow, CreditReservationRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.credit_closing import close
from tellal.services.credit_reserving import gathered, held_for
from tellal.services.posting import LANE_CHANNEL
from tellal.supervision import rest

_accounts = table(CreditAccountRow)
_reservations = table(CreditReservationRow)
_messages = table(MessageRow)

_LOOK_EVERY_S = 1.0
_BATCH = 1000
NOTHING_MORE_COMES_AFTER = timedelta(days=3)
"""How long a provider's word is waited for; NetGSM's reports are to be had for two days.

What nobody has heard of by then is settled: it was handed over, and nobody says that it was lost.
"""


class CreditFreeing:
    """Keeps accounts and what waits for them in step; several may work side by side."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop."""
        while not stop.is_set():
            if not await self.work():
                await rest(stop, _LOOK_EVERY_S)

    async def work(self) -> int:
        """Do what is due; return how many messages were freed or settled."""
        given_back = select(_reservations.c.account_id).where(_reservations.c.returned).distinct()
        waiting = (
            select(_messages.c.id)
            .where(_messages.c.held_by == func.concat("credit:", _accounts.c.id, type_=String()))
            .exists()
        )
        due = select(_accounts.c.id).where(or_(_accounts.c.id.in_(given_back), waiting))
        async with self._sessions() as tx:
            ids = (await tx.execute(due.order_by(_accounts.c.id))).scalars().all()
        freed = 0
        for account_id in ids:
            async with self._sessions() as tx, tx.begin():
                freed += await self._free(tx, await gathered(tx, account_id))
        return freed + await self.settle_silent()

    async def settle_silent(self) -> int:
        """Settle reservations of messages of which nobody says anything any more."""
        silent = (
            select(_reservations.c.message_id)
            .where(
                ~_reservations.c.returned,
                _reservations.c.at < self._clock.now() - NOTHING_MORE_COMES_AFTER,
            )
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
        )
        async with self._sessions() as tx, tx.begin():
            ids = (await tx.execute(silent)).scalars().all()
            await close(tx, [(one, EntryKind.SETTLE) for one in ids], self._clock.now())
        return len(ids)

    async def _free(self, tx: AsyncSession, account: Row[Any]) -> int:
        """Free the most urgent messages that can be paid for now, and those that end anyway.

        The claim reserves and may refuse again: others have been there meanwhile.
        """
        ids = await self._payable(tx, account)
        locked = (
            select(_messages.c.id)
            .where(_messages.c.id.in_(ids), _messages.c.held_by == held_for(account.id))
            .with_for_update(key_share=True, skip_locked=True)
        )
        change = (
            update(_messages)
            .where(_messages.c.id.in_(locked))
            .values(held_by=None)
            .returning(_messages.c.lane)
        )
        lanes = (await tx.execute(change)).scalars().all() if ids else []
        for lane in sorted(set(lanes)):
            await tx.execute(select(func.pg_notify(LANE_CHANNEL, lane)))
        return len(lanes)

    async def _payable(self, tx: AsyncSession, account: Row[Any]) -> Sequence[str]:
        room = account.available - account.alert_reserve
        beyond = account.may_go_negative
        ends = or_(
            _messages.c.state != MessageState.QUEUED.value,
            _messages.c.expires_at <= self._clock.now(),
        )
        mandatory = _messages.c.message_class == MessageClass.MANDATORY.value
        fits = _messages.c.cost <= room
        query = (
            select(_messages.c.id, _messages.c.cost, mandatory.label("must"), ends.label("ends"))
            .where(
                _messages.c.held_by == held_for(account.id),
                or_(ends, fits, and_(mandatory, beyond)),
            )
            .order_by(_messages.c.priority, _messages.c.id)
            .limit(_BATCH)
        )
        rows = (await tx.execute(query)).all()
        wants = [
            Want(message_id=row.id, cost=row.cost, mandatory=row.must)
            for row in rows
            if not row.ends
        ]
        paid = affordable(
            wants, account.available, kept=account.alert_reserve, may_go_negative=beyond
        )
        return [row.id for row in rows if row.ends] + [one.message_id for one in paid]
