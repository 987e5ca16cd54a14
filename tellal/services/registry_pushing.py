"""Tells İYS of consents and refusals before the law's third business day is over.

What is told is on disk before İYS is asked. Whoever dies in between leaves records behind of which
nobody knows whether they arrived; the next one tells them again, and İYS refuses what it has.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tellal.clock import Clock
from tellal.domain.registry import (
    NEEDLESS,
    Circumstances,
    Known,
    Party,
    RegistryRecord,
    Status,
    broken_by,
    first_twin,
    in_registry_time,
)
from tellal.domain.registry_answers import Account, RegistryError, Taken, Told, Trouble, pause_after
from tellal.persistence.session import Sessions
from tellal.ports import Registry
from tellal.services import registry_ledger as ledger, registry_marks as marks
from tellal.services.registry_clock import RegistryClock
from tellal.services.registry_ledger import PushState, Waiting

_DATED_AT_ONCE = 1_000
_BATCHES_AT_ONCE = 20
_ASK_AFTER = timedelta(seconds=2)
_STATES: Mapping[Taken, PushState] = {
    Taken.ACCEPTED: PushState.ACCEPTED,
    Taken.KNOWN: PushState.KNOWN,
    Taken.NEEDLESS: PushState.NEEDLESS,
    Taken.REJECTED: PushState.REJECTED,
}
_GONE = frozenset({"404", "H456"})
"""İYS does not know the batch any more: what it took of it, telling it again will show."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A record that İYS will take as far as we can tell."""

    waiting: Waiting
    record: RegistryRecord


class Pushing:
    """Tells İYS of one brand's consents; whoever calls it holds the brand's lease."""

    def __init__(
        self, registry: Registry, sessions: Sessions, clock: Clock, business: RegistryClock
    ) -> None:
        self._registry = registry
        self._sessions = sessions
        self._clock = clock
        self._business = business

    async def recover(self, account: Account) -> None:
        """Take back what nobody knows of: only its dead holder was at it."""
        async with self._sessions() as tx, tx.begin():
            await marks.take_back_unanswered(tx, account.brand_id, self._clock.now())

    async def push(self, account: Account) -> int:
        """Tell İYS the next batch; return how many records were looked at."""
        law = self._business.law
        async with self._sessions() as tx, tx.begin():
            await ledger.date_new(tx, account, self._business, most=_DATED_AT_ONCE)
            waiting = await ledger.next_of(tx, account, law, self._clock.now(), most=law.batch)
            known = await ledger.known_of(tx, account, {one.place for one in waiting})
        ready = [one for one in [await self._checked(account, w, known) for w in waiting] if one]
        if ready:
            await self._tell(account, ready)
        return len(waiting)

    async def ask(self, account: Account) -> None:
        """Ask what came of batches that İYS has queued."""
        async with self._sessions() as tx:
            due = await ledger.due_batches(
                tx, account.brand_id, self._clock.now(), most=_BATCHES_AT_ONCE
            )
        for row in due:
            try:
                told = await self._registry.told_of(account, row.batch)
            except RegistryError as error:
                await self._not_told_of(row.batch, row.attempts, error)
                continue
            await self._work_in(account, row.batch, told)

    async def _checked(
        self,
        account: Account,
        waiting: Waiting,
        known: Mapping[ledger.Place, Mapping[Party, Known]],
    ) -> _Ready | None:
        """Weigh a record by İYS' rules; what it would not take is settled here."""
        if waiting.record is None:
            why = Told(taken=Taken.REJECTED, code=waiting.because)
            await self._settle(waiting.id, PushState.BLOCKED, why)
            return None
        there = dict(known.get(waiting.place, {}))
        key = waiting.record.key
        if waiting.record.status is Status.REFUSED and key.party not in there:
            try:
                found = await self._registry.known(account, key)
            except RegistryError as error:
                await self._again([waiting], error)
                return None
            if found is not None:
                there[key.party] = found
        given_at = in_registry_time(waiting.given_at, there.get(key.party))
        record = replace(waiting.record, given_at=given_at)
        now = self._clock.now()
        if given_at > now:
            # Within the second: a moment later it lies in the past.
            async with self._sessions() as tx, tx.begin():
                await marks.try_again(tx, [waiting.id], given_at, "")
            return None
        around = Circumstances(now=now, known=there, oldest=self._business.oldest(now, account))
        broken = broken_by(record, around)
        if broken is None:
            return _Ready(waiting=waiting, record=record)
        state = PushState.NEEDLESS if broken in NEEDLESS else PushState.BLOCKED
        await self._settle(waiting.id, state, Told(taken=Taken.REJECTED, code=broken.value))
        return None

    async def _tell(self, account: Account, ready: Sequence[_Ready]) -> None:
        if len(ready) > 1 and first_twin(one.record for one in ready) is None:
            await self._tell_many(account, ready)
            return
        for one in ready:
            await self._tell_one(account, one)

    async def _tell_many(self, account: Account, ready: Sequence[_Ready]) -> None:
        ready = await self._marked(ready)
        if not ready:
            return
        waiting = [one.waiting for one in ready]
        try:
            batch = await self._registry.add_batch(account, [one.record for one in ready])
        except RegistryError as error:
            if error.trouble is not Trouble.REFUSED:
                await self._again(waiting, error)
                return
            # One bad record spoils the batch: which one it is, they tell one by one.
            async with self._sessions() as tx, tx.begin():
                ids = [one.id for one in waiting]
                await marks.try_again(tx, ids, self._clock.now(), ",".join(error.codes))
            for one in ready:
                await self._tell_one(account, one)
            return
        parts = {one.id: part for one, part in zip(waiting, batch.parts, strict=True)}
        async with self._sessions() as tx, tx.begin():
            await marks.mark_sent(tx, parts, batch.request, self._clock.now() + _ASK_AFTER)

    async def _tell_one(self, account: Account, one: _Ready) -> None:
        for marked in await self._marked([one]):
            try:
                told = await self._registry.add(account, marked.record)
            except RegistryError as error:
                await self._again([marked.waiting], error)
                return
            await self._take(account, marked.waiting.id, told, marked.record)

    async def _marked(self, ready: Sequence[_Ready]) -> list[_Ready]:
        """Write down that these are about to be told; leave out what somebody else has taken."""
        async with self._sessions() as tx, tx.begin():
            records = {one.waiting.id: one.record for one in ready}
            taken = set(await marks.mark_sending(tx, records, self._clock.now()))
        return [one for one in ready if one.waiting.id in taken]

    async def _work_in(self, account: Account, batch: str, told: Mapping[str, Told]) -> None:
        async with self._sessions() as tx:
            parts = await ledger.parts_of(tx, batch)
        for part, consent_id in parts.items():
            said = told.get(part, Told(taken=Taken.WAITS))
            await self._take(account, consent_id, said, None)
        async with self._sessions() as tx, tx.begin():
            await marks.ask_later(tx, batch, self._clock.now() + _ASK_AFTER)

    async def _take(
        self, account: Account, consent_id: str, told: Told, record: RegistryRecord | None
    ) -> None:
        """Write down what came of a record; a doubtful one is looked up first."""
        if told.taken is Taken.DOUBTFUL:
            told = await self._looked_up(account, consent_id, told, record)
        if told.taken is Taken.WAITS:
            return
        if told.taken is Taken.AGAIN:
            pause = pause_after(Trouble.LIMITED, 1)
            async with self._sessions() as tx, tx.begin():
                await marks.try_again(tx, [consent_id], self._clock.now() + pause, told.code)
            return
        await self._settle(consent_id, _STATES[told.taken], told)

    async def _looked_up(
        self, account: Account, consent_id: str, told: Told, record: RegistryRecord | None
    ) -> Told:
        """Say whether İYS has just this record or a newer one, either of which will do."""
        if record is None:
            async with self._sessions() as tx:
                record = await ledger.record_of(tx, consent_id, self._business.law)
        try:
            found = None if record is None else await self._registry.known(account, record.key)
        except RegistryError:
            return replace(told, taken=Taken.AGAIN)
        same = (
            found is not None
            and record is not None
            and (found.status, found.given_at) == (record.status, record.given_at)
        )
        return replace(told, taken=Taken.KNOWN if same else Taken.NEEDLESS)

    async def _not_told_of(self, batch: str, attempts: int, error: RegistryError) -> None:
        now = self._clock.now()
        async with self._sessions() as tx, tx.begin():
            if error.trouble is Trouble.REFUSED and _GONE & set(error.codes):
                parts = await ledger.parts_of(tx, batch)
                await marks.try_again(tx, list(parts.values()), now, "unanswered")
                return
            pause = pause_after(error.trouble, attempts, error.retry_after_s)
            await marks.ask_later(tx, batch, now + pause)
        _tell_trouble(error)

    async def _again(self, waiting: Sequence[Waiting], error: RegistryError) -> None:
        """Let records wait as long as the sort of failure asks."""
        now = self._clock.now()
        async with self._sessions() as tx, tx.begin():
            for one in waiting:
                pause = pause_after(error.trouble, one.attempts + 1, error.retry_after_s)
                code = ",".join(error.codes) or error.trouble.value
                await marks.try_again(tx, [one.id], now + pause, code)
        _tell_trouble(error)

    async def _settle(self, consent_id: str, state: PushState, told: Told) -> None:
        now: datetime = self._clock.now()
        async with self._sessions() as tx, tx.begin():
            await marks.settle(tx, consent_id, state, told, now)


def _tell_trouble(error: RegistryError) -> None:
    codes = ",".join(error.codes)
    _log.warning("İYS was not told", extra={"trouble": error.trouble.value, "code": codes})
