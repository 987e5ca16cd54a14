"""Has providers delete their copies of an erased person's messages, as far as they do such things.

One worker of a deployment asks, at a bounded pace. Of a copy that is not deleted yet the provider
is asked again, ever more rarely; after a month, or if the provider never deletes, it is `kept`, and
the erasure lists it, so that somebody can write to the provider.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Integer, Row, bindparam, select, update

from tellal.clock import Clock
from tellal.ids import new_id
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.privacy import ProviderCopyRow
from tellal.ports import Forgetting, Forgotten
from tellal.services.leases import Leases
from tellal.services.person_erasure import DELETED, DUE, KEPT
from tellal.supervision import rest

_copies = table(ProviderCopyRow)

NO_WAY = "provider_deletes_nothing"
REFUSED = "refused"
GIVEN_UP = "given_up"

_AT_ONCE = 10
_BETWEEN_S = 0.5
_LOOK_EVERY_S = 30.0
_HELD_FOR = timedelta(minutes=1)
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(days=1)
_MOST_TRIES = 40
"""Eleven tries within a day, the others day by day: a month in all."""

_NEXT = (
    select(_copies)
    .where(_copies.c.state == DUE, _copies.c.due_at <= bindparam("now", type_=Instant()))
    .order_by(_copies.c.due_at)
    .limit(bindparam("most", type_=Integer()))
)


class ProviderCopies:
    """Deletes while it holds the lease; `providers` are those that delete at all."""

    def __init__(
        self,
        providers: Mapping[str, Forgetting],
        *,
        sessions: Sessions,
        clock: Clock,
        leases: Leases,
    ) -> None:
        self._providers = providers
        self._sessions = sessions
        self._clock = clock
        self._leases = leases
        self._holder = new_id()

    async def run(self, stop: asyncio.Event) -> None:
        """Delete until told to stop."""
        while not stop.is_set():
            tried = await self.work()
            await rest(stop, _BETWEEN_S if tried else _LOOK_EVERY_S)

    async def work(self) -> int:
        """Ask for a few copies that are due, if it is ours to ask; return how many it were."""
        if not await self._leases.take("provider_copies", self._holder, _HELD_FOR):
            return 0
        rows = await self._due()
        answers = await asyncio.gather(*(self._ask(row) for row in rows))
        for row, (answer, code) in zip(rows, answers, strict=True):
            await self._note(row, answer, code)
        return len(rows)

    async def _due(self) -> Sequence[Row[Any]]:
        async with self._sessions() as tx:
            values = {"now": self._clock.now(), "most": _AT_ONCE}
            return (await tx.execute(_NEXT, values)).all()

    async def _ask(self, row: Row[Any]) -> tuple[Forgotten, str]:
        provider = self._providers.get(row.provider)
        if provider is None:
            return Forgotten.REFUSED, NO_WAY
        answer = await provider.forget(row.reference)
        return answer, REFUSED if answer is Forgotten.REFUSED else ""

    async def _note(self, row: Row[Any], answer: Forgotten, code: str) -> None:
        now, tries = self._clock.now(), row.tries + 1
        values: dict[str, object] = {"tries": tries}
        if answer is Forgotten.DELETED:
            values |= {"state": DELETED, "ended_at": now}
        elif answer is Forgotten.REFUSED:
            values |= {"state": KEPT, "code": code, "ended_at": now}
        elif tries >= _MOST_TRIES:
            values |= {"state": KEPT, "code": GIVEN_UP, "ended_at": now}
        else:
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(tries - 1, 20)))
            values |= {"due_at": now + pause}
        async with self._sessions() as tx, tx.begin():
            await tx.execute(update(_copies).where(_copies.c.id == row.id).values(**values))
