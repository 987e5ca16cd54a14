"""Takes the outbox to the workflows: at least once, and nothing waits behind a failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ARRAY, Row, String, any_, bindparam, exists, func, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from tellal.clock import Clock
from tellal.domain.outbox import STARTS, OutboxItem, OutboxKind, WorkflowGoneError
from tellal.persistence.bell import Bell
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions, make_singles
from tellal.persistence.tables.ledger import OutboxRow
from tellal.services.outbox import OUTBOX_CHANNEL

_log = logging.getLogger(__name__)
_outbox = table(OutboxRow)

_BATCH = 100
_SIDE_BY_SIDE = 16
_LOOK_EVERY_S = 1.0
_GATHER_S = 0.03
"""After a call it waits a moment, so that what is written together is claimed and told together."""
_REST_AFTER_ERROR_S = 1.0
_LEASE = timedelta(seconds=15)
"""How long a claimed item belongs to its dispatcher; then another one may deliver it again."""
_FIRST_BACKOFF = timedelta(seconds=0.5)
_LONGEST_BACKOFF = timedelta(seconds=10)


def _claiming() -> ReturningUpdate[Any]:
    due = (
        select(_outbox.c.id)
        .where(_outbox.c.done_at.is_(None), _outbox.c.due_at <= bindparam("now"))
        .order_by(_outbox.c.due_at, _outbox.c.id)
        .limit(_BATCH)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return (
        update(_outbox)
        .where(_outbox.c.id.in_(due))
        .values(due_at=bindparam("leased_until"), tries=_outbox.c.tries + 1)
        .returning(_outbox)
    )


_CLAIM = _claiming()
_DONE = (
    update(_outbox)
    .where(_outbox.c.id == any_(bindparam("done", type_=ARRAY(String))))
    .values(done_at=bindparam("now"), error="")
)

Deliver = Callable[[OutboxItem], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parcel:
    """What one delivery settles: the item, and older ones that say less of the same."""

    item: OutboxItem
    ids: tuple[str, ...]
    tries: int


class Dispatcher:
    """Claims what is due, delivers it, and marks it as done."""

    def __init__(self, sessions: Sessions, clock: Clock, deliver: Deliver) -> None:
        self._singles = make_singles(sessions)
        self._clock = clock
        self._deliver = deliver
        self._bell = Bell(sessions, OUTBOX_CHANNEL)
        self._slots = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until told to stop; an error of the database is waited out."""
        listening = asyncio.create_task(self._bell.listen())
        try:
            while not stop.is_set():
                seen = self._bell.count("")
                try:
                    busy = await self.deliver_due()
                except Exception as error:  # noqa: BLE001 - it must outlive the database's restarts
                    _log.warning("no outbox to read", extra={"error": type(error).__name__})
                    busy = 0
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), _REST_AFTER_ERROR_S)
                if busy < _BATCH:
                    await self._rest(stop, seen)
        finally:
            listening.cancel()

    async def deliver_due(self) -> int:
        """Deliver one batch of what is due; return how many items it held."""
        rows = await self._claim()
        by_workflow: dict[str, list[Row[Any]]] = {}
        for row in rows:
            by_workflow.setdefault(row.workflow_id, []).append(row)
        delivered = await asyncio.gather(
            *(self._deliver_in_turn(_parcels(of_one)) for of_one in by_workflow.values())
        )
        await self._settle([one for some in delivered for one in some])
        return len(rows)

    async def _rest(self, stop: asyncio.Event, seen: int) -> None:
        ring = asyncio.create_task(self._bell.wait("", seen, _LOOK_EVERY_S))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({ring, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            await asyncio.sleep(_GATHER_S)
        ring.cancel()
        stopped.cancel()

    async def _claim(self) -> Sequence[Row[Any]]:
        now = self._clock.now()
        async with self._singles() as tx:
            rows = (await tx.execute(_CLAIM, {"now": now, "leased_until": now + _LEASE})).all()
        return sorted(rows, key=lambda row: (row.created_at, row.id))

    async def _deliver_in_turn(self, parcels: Sequence[_Parcel]) -> list[tuple[_Parcel, str]]:
        """Deliver what goes to one workflow; after a failure the rest waits with it."""
        async with self._slots:
            for index, parcel in enumerate(parcels):
                error = await self._error_of(parcel.item)
                if error:
                    done = [(one, "") for one in parcels[:index]]
                    return done + [(one, error) for one in parcels[index:]]
            return [(one, "") for one in parcels]

    async def _error_of(self, item: OutboxItem) -> str:
        try:
            await self._deliver(item)
        except WorkflowGoneError:
            # Ended workflows need no news. One whose start is still in the outbox does.
            return "not_started" if await self._start_is_open(item.workflow_id) else ""
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            _log.warning(
                "a workflow could not be told",
                extra={"workflow_id": item.workflow_id, "error": type(error).__name__},
            )
            return type(error).__name__
        return ""

    async def _start_is_open(self, workflow_id: str) -> bool:
        start = exists().where(
            _outbox.c.workflow_id == workflow_id,
            _outbox.c.kind.in_([kind.value for kind in STARTS]),
            _outbox.c.done_at.is_(None),
        )
        async with self._singles() as tx:
            return bool((await tx.execute(select(start))).scalar_one())

    async def _settle(self, delivered: Sequence[tuple[_Parcel, str]]) -> None:
        now = self._clock.now()
        done = [id_ for parcel, error in delivered if not error for id_ in parcel.ids]
        async with self._singles() as tx:
            if done:
                await tx.execute(_DONE, {"done": done, "now": now})
            for parcel, error in delivered:
                if error:
                    later = update(_outbox).where(_outbox.c.id.in_(parcel.ids))
                    due_at = now + backoff(parcel.tries)
                    await tx.execute(later.values(due_at=due_at, error=error))


def backoff(tries: int) -> timedelta:
    """Return how long to wait after so many tries."""
    doubled: int = 1 << min(tries - 1, 10)
    return min(_LONGEST_BACKOFF, _FIRST_BACKOFF * doubled)


def _parcels(rows: Sequence[Row[Any]]) -> list[_Parcel]:
    """Put the items of one workflow in order; a newer signal makes an older one superfluous."""
    latest: dict[tuple[str, object], list[Row[Any]]] = {}
    for row in rows:
        about = row.body.get("outcome_id", "") if row.kind == OutboxKind.PROGRESSED else ""
        same = latest.pop((row.kind, about), [])
        latest[row.kind, about] = [*same, row]
    return [_parcel(same) for same in latest.values()]


def _parcel(same: Sequence[Row[Any]]) -> _Parcel:
    newest = same[-1]
    item = OutboxItem(
        id=newest.id,
        kind=OutboxKind(newest.kind),
        workflow_id=newest.workflow_id,
        body=newest.body,
    )
    return _Parcel(
        item=item,
        ids=tuple(row.id for row in same),
        tries=max(row.tries for row in same),
    )


async def waiting(sessions: Sessions) -> int:
    """Count what has not been delivered yet."""
    query = select(func.count()).where(_outbox.c.done_at.is_(None))
    async with sessions() as tx:
        return int((await tx.execute(query)).scalar_one())
