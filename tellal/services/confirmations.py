"""Confirms electronic consents to the person, over their channel and on the same day.

What is due was noted in the transaction of the consent. One worker of a deployment looks, every
second; what was taken back meanwhile is not confirmed any more.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel, RecipientType
from tellal.domain.consents import ConsentChannel, ConsentRecord, Use, standing
from tellal.domain.customers import Consent, ConsentState
from tellal.domain.messages import REACHED
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.consents import to_record
from tellal.persistence.people import brand as read_brand, lock_customer_by_id
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ConsentRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.refusing import ConfirmationRow
from tellal.services.asking import Circumstances
from tellal.services.confirmation_duty import CONFIRMED, DUE, POSTED, TAKEN_BACK
from tellal.services.deciding import Deciding
from tellal.services.entries import Matter
from tellal.services.leases import Leases
from tellal.supervision import rest

_confirmations = table(ConfirmationRow)
_consents = table(ConsentRow)
_messages = table(MessageRow)

TOPIC = "consent_confirmation"

_LOOK_EVERY_S = 1.0
_LEASE = timedelta(seconds=30)
_BATCH = 100
_TEXTS = frozenset({Channel.SMS, Channel.EMAIL})
"""Channels over which it can be confirmed itself; what was agreed to elsewhere, by these."""


class Confirmations:
    """Writes what is due into the ledger, and notes what has left."""

    def __init__(self, sessions: Sessions, deciding: Deciding) -> None:
        self._sessions = sessions
        self._deciding = deciding
        self._leases = Leases(sessions, deciding.clock)
        self._holder = new_id()

    async def run(self, stop: asyncio.Event) -> None:
        """Confirm every second until told to stop."""
        while not stop.is_set():
            await self.work(stop)
            await rest(stop, _LOOK_EVERY_S)

    async def work(self, stop: asyncio.Event | None = None) -> int:
        """Confirm what is due, the most urgent first, and settle what has left; return how many.

        Whoever cannot be told (no address, no route) stays due: an alarm says so.
        """
        if not await self._leases.take("consent_confirmations", self._holder, _LEASE):
            return 0
        async with self._sessions() as tx:
            due = (
                select(_confirmations.c.consent_id)
                .where(_confirmations.c.state == DUE, _confirmations.c.reason == "")
                .order_by(_confirmations.c.confirm_by)
                .limit(_BATCH)
            )
            waiting = (await tx.execute(due)).scalars().all()
        for consent_id in waiting:
            if stop is not None and stop.is_set():
                break
            async with self._sessions() as tx, tx.begin():
                await self._confirm(tx, consent_id)
        await self._settle()
        return len(waiting)

    async def _confirm(self, tx: AsyncSession, consent_id: str) -> None:
        row = (await tx.execute(select(_consents).where(_consents.c.id == consent_id))).one()
        record = to_record(row)
        customer = await lock_customer_by_id(tx, record.customer_id)
        mine = _confirmations.c.consent_id == consent_id
        held = select(_confirmations.c.state).where(mine).with_for_update()
        if (await tx.execute(held)).scalar_one() != DUE:
            return
        change = update(_confirmations).where(mine)
        now = self._deciding.clock.now()
        if not await self._stands(tx, record, RecipientType(customer.kind.value)):
            await tx.execute(change.values(state=TAKEN_BACK, settled_at=now))
            return
        channel = (
            Channel.SMS if record.channel is ConsentChannel.CALL else Channel(record.channel.value)
        )
        # Rules know channels, not purposes: what stands for what it names is confirmed, too.
        agreed = Consent(
            channel=channel,
            state=ConsentState.GRANTED,
            source=record.source,
            recorded_at=record.recorded_at,
        )
        only = {channel} if channel in _TEXTS else _TEXTS
        decided = await self._deciding.decide(
            tx,
            await read_brand(tx, record.brand_id),
            replace(customer, consents={**customer.consents, channel: agreed}),
            Matter(
                topic=TOPIC,
                cause_kind="consent",
                cause_key=f"consent:{record.id}",
                around=Circumstances(document={}, unplanned=frozenset(Channel) - only),
                workflow_id="",
            ),
        )
        if decided.posted is None:
            reasons = decided.decision.reasons
            await tx.execute(change.values(reason=reasons[0].code if reasons else "silent"))
        else:
            await tx.execute(change.values(state=POSTED, message_id=decided.posted.message_id))

    async def _stands(self, tx: AsyncSession, record: ConsentRecord, kind: RecipientType) -> bool:
        """Say whether a grant has been taken back since: for its own use, it is what counts."""
        query = (
            select(_consents)
            .where(
                _consents.c.customer_id == record.customer_id,
                _consents.c.channel == record.channel.value,
            )
            .order_by(_consents.c.given_at.desc(), _consents.c.id.desc())
        )
        records = [to_record(row) for row in await tx.execute(query)]
        delegation = record.delegation
        use = Use(
            recipient_type=record.recipient_type or kind,
            purpose=record.purposes[0] if record.purposes else "",
            contract=delegation.contract if delegation else "",
            goods=delegation.goods[0] if delegation else "",
        )
        return standing(records, use, self._deciding.clock.now()).state is ConsentState.GRANTED

    async def _settle(self) -> None:
        """Note what has been handed over, and what was taken back while it waited."""
        now = self._deciding.clock.now()
        posted = _confirmations.c.state == POSTED
        mine = _messages.c.id == _confirmations.c.message_id
        left = _messages.c.state.in_(sorted(REACHED))
        async with self._sessions() as tx, tx.begin():
            await tx.execute(
                update(_confirmations)
                .where(posted, mine, left)
                .values(state=CONFIRMED, settled_at=func.coalesce(_messages.c.handed_at, now))
            )
            refused = func.newest_consent(
                _confirmations.c.customer_id, _confirmations.c.channel, now
            ).is_(False)
            await tx.execute(
                update(_confirmations)
                .where(_confirmations.c.state.in_((DUE, POSTED)), refused)
                .values(state=TAKEN_BACK, settled_at=now)
            )
