"""Forgets what has done its work: answers to repeats, items of the outbox, calls of webhooks.

Words of strangers go, too, and which mails of a mailbox were read.

Every batch is a transaction of a moment that waits for nobody, so several workers may forget side
by side, and requests go on meanwhile. Nothing that is evidence goes here: messages, decisions and
consents; nor a word that did something for somebody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy import Integer, bindparam, delete, exists, select, tuple_

from tellal.clock import Clock
from tellal.ids import first_id
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.intake import MailboxMailRow
from tellal.persistence.tables.ledger import OutboxRow
from tellal.persistence.tables.outages import WebhookCallRow
from tellal.persistence.tables.refusing import InboundEffectRow, InboundRow
from tellal.services.idempotency import purge
from tellal.settings import KeepSettings
from tellal.supervision import rest

_outbox = table(OutboxRow)
_inbound = table(InboundRow)
_effects = table(InboundEffectRow)

_calls = table(WebhookCallRow)
_mails = table(MailboxMailRow)

_BATCH = 1_000
_LOOK_EVERY_S = 300.0

_DONE_LONG_AGO = (
    select(_outbox.c.id)
    .where(
        _outbox.c.id < bindparam("made_before"),
        _outbox.c.done_at < bindparam("done_before", type_=Instant()),
    )
    .order_by(_outbox.c.id)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True)
)
"""Ids sort by the time of making, so the look ends at what is too young to have been done then."""
_FORGET_DONE = delete(_outbox).where(_outbox.c.id.in_(_DONE_LONG_AGO)).returning(_outbox.c.id)

_CALLED_LONG_AGO = (
    select(_calls.c.id)
    .where(
        _calls.c.id < bindparam("made_before"),
        _calls.c.done_at < bindparam("done_before", type_=Instant()),
    )
    .order_by(_calls.c.id)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True)
)
_FORGET_CALLS = delete(_calls).where(_calls.c.id.in_(_CALLED_LONG_AGO)).returning(_calls.c.id)

_READ_LONG_AGO = (
    select(_mails.c.mailbox, _mails.c.validity, _mails.c.uid)
    .where(_mails.c.at < bindparam("read_before", type_=Instant()))
    .order_by(_mails.c.at)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True)
)
_FORGET_MAILS = (
    delete(_mails)
    .where(tuple_(_mails.c.mailbox, _mails.c.validity, _mails.c.uid).in_(_READ_LONG_AGO))
    .returning(_mails.c.uid)
)

_OF_NOBODY = (
    select(_inbound.c.id)
    .where(
        _inbound.c.id < bindparam("made_before"),
        ~exists().where(_effects.c.inbound_id == _inbound.c.id),
    )
    .order_by(_inbound.c.id)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True)
)
_FORGET_STRANGERS = delete(_inbound).where(_inbound.c.id.in_(_OF_NOBODY)).returning(_inbound.c.id)


class Retention:
    """Removes, batch by batch, what is older than the settings want kept."""

    def __init__(
        self, sessions: Sessions, clock: Clock, keep: KeepSettings, *, batch: int = _BATCH
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._answers_kept = timedelta(days=keep.idempotency_days)
        self._outbox_kept = timedelta(days=keep.outbox_days)
        self._strangers_kept = timedelta(days=keep.strangers_days)
        self._calls_kept = timedelta(days=keep.webhook_calls_days)
        self._mails_kept = timedelta(days=keep.mails_days)
        self._batch = batch

    async def run(self, stop: asyncio.Event) -> None:
        """Forget every few minutes until told to stop."""
        while not stop.is_set():
            await self._all(self.forget_answers, stop)
            await self._all(self.forget_delivered, stop)
            await self._all(self.forget_strangers, stop)
            await self._all(self.forget_calls, stop)
            await self._all(self.forget_mails, stop)
            await rest(stop, _LOOK_EVERY_S)

    async def forget_answers(self) -> int:
        """Forget one batch of answers under Idempotency-Keys; return how many went."""
        async with self._sessions() as tx, tx.begin():
            now = self._clock.now()
            return await purge(tx, now=now, kept=self._answers_kept, limit=self._batch)

    async def forget_delivered(self) -> int:
        """Forget one batch of the outbox's delivered items; return how many went."""
        before = self._clock.now() - self._outbox_kept
        parameters = {
            "made_before": first_id(before),
            "done_before": before,
            "most": self._batch,
        }
        async with self._sessions() as tx, tx.begin():
            return len((await tx.execute(_FORGET_DONE, parameters)).all())

    async def forget_strangers(self) -> int:
        """Forget one batch of words that concerned no customer; return how many went."""
        before = first_id(self._clock.now() - self._strangers_kept)
        async with self._sessions() as tx, tx.begin():
            asked = {"made_before": before, "most": self._batch}
            return len((await tx.execute(_FORGET_STRANGERS, asked)).all())

    async def forget_calls(self) -> int:
        """Forget one batch of calls of webhooks, taken or given up; return how many went."""
        before = self._clock.now() - self._calls_kept
        asked = {"made_before": first_id(before), "done_before": before, "most": self._batch}
        async with self._sessions() as tx, tx.begin():
            return len((await tx.execute(_FORGET_CALLS, asked)).all())

    async def forget_mails(self) -> int:
        """Forget which mails were read long ago, one batch; return how many went."""
        asked = {"read_before": self._clock.now() - self._mails_kept, "most": self._batch}
        async with self._sessions() as tx, tx.begin():
            return len((await tx.execute(_FORGET_MAILS, asked)).all())

    async def _all(self, forget: Callable[[], Awaitable[int]], stop: asyncio.Event) -> None:
        while not stop.is_set() and await forget() == self._batch:
            pass
