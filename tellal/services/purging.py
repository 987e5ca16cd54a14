"""Empties what is personal and older than it may be kept, once a day, and proves it.

Every batch is a transaction of its own that waits for nobody, and writes its number into `purges`,
which the database refuses to change. A run that found nothing says that, too. What is of somebody
whose complaint is open stays until it is closed.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Table,
    Update,
    and_,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from rules.keeping import Kind, Period
from tellal.clock import Clock
from tellal.domain.messages import UNSENT, MessageState
from tellal.ids import first_id, new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import ComplaintRow, ConsentRow, EventRow
from tellal.persistence.tables.digests import DigestItemRow
from tellal.persistence.tables.intake import ApplicationRow
from tellal.persistence.tables.ledger import DecisionRow, MessageRow, OutcomeRow
from tellal.persistence.tables.operations import (
    AgentCallRow,
    CaseAssessmentRow,
    CaseEntryRow,
    CaseRow,
    CaseSurveyRow,
)
from tellal.persistence.tables.outages import OutageSignalRow
from tellal.persistence.tables.privacy import PurgeRow
from tellal.persistence.tables.refusing import InboundEffectRow, InboundRow
from tellal.services.held import ERASED
from tellal.services.leases import Leases
from tellal.supervision import rest

_brands = table(BrandRow)
_messages = table(MessageRow)
_agent_calls = table(AgentCallRow)
_outcomes = table(OutcomeRow)
_decisions = table(DecisionRow)
_events = table(EventRow)
_items = table(DigestItemRow)
_complaints = table(ComplaintRow)
_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_applications = table(ApplicationRow)
_surveys = table(CaseSurveyRow)
_assessments = table(CaseAssessmentRow)
_consents = table(ConsentRow)
_later = _consents.alias("later")
_effects = table(InboundEffectRow)
_others = _effects.alias("others")
_inbound = table(InboundRow)
_signals = table(OutageSignalRow)
_purges = table(PurgeRow)
_open = _complaints.alias("open_complaints")

BY = "retention"
"""Who has what was emptied by age on his account."""

_EVERY = timedelta(days=1)
_LOOK_EVERY_S = 300.0
_HELD_FOR = timedelta(minutes=10)
_BATCH = 1_000
_UNDER_WAY = sorted({*UNSENT, MessageState.HANDING_OVER})
_EMPTY = literal({}, JSONB)
_NO_LIST = literal([], JSONB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What of a table is old and still full, and what it is emptied to.

    `beside` empties what hangs on rows of these ids, in the same transaction.
    """

    table: Table
    old: Callable[[datetime], ColumnElement[bool]]
    full: ColumnElement[bool]
    emptied: Callable[[datetime], Mapping[str, object]] | None = None
    beside: Callable[[Sequence[str]], Sequence[Update]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """What a run removed of a kind, all batches together."""

    run: str
    kind: str
    cut_off: datetime
    removed: int
    at: datetime


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a run is: at which kind, with which cut-off."""

    run: str
    kind: Kind
    cut_off: datetime


def _always(**emptied: object) -> Callable[[datetime], Mapping[str, object]]:
    return lambda _: emptied


def _over(cut_off: datetime) -> ColumnElement[bool]:
    """Say which consents were replaced before a moment, or lapsed."""
    replaced = exists().where(
        _later.c.customer_id == _consents.c.customer_id,
        _later.c.channel == _consents.c.channel,
        _later.c.given_at > _consents.c.given_at,
        _later.c.given_at < cut_off,
    )
    return or_(replaced, _consents.c.valid_until < cut_off)


SWEEPS: Mapping[Kind, Sequence[Sweep]] = {
    Kind.MESSAGE_TEXTS: (
        Sweep(
            table=_messages,
            old=lambda cut_off: and_(
                _messages.c.created_at < cut_off, _messages.c.state.not_in(_UNDER_WAY)
            ),
            full=or_(
                _messages.c.text != "", _messages.c.subject != "", _messages.c.variables != _EMPTY
            ),
            emptied=_always(text="", subject="", variables=_EMPTY),
        ),
        Sweep(
            table=_agent_calls,
            old=lambda cut_off: _agent_calls.c.created_at < cut_off,
            full=_agent_calls.c.script != "",
            emptied=_always(script=""),
        ),
        Sweep(
            table=_outcomes,
            old=lambda cut_off: _outcomes.c.closed_at < cut_off,
            full=func.coalesce(_outcomes.c.plan["variables"], _EMPTY) != _EMPTY,
            emptied=_always(plan=_outcomes.c.plan.op("||")(literal({"variables": {}}, JSONB))),
        ),
    ),
    Kind.DECISION_INPUTS: (
        Sweep(
            table=_decisions,
            old=lambda cut_off: _decisions.c.at < cut_off,
            full=_decisions.c.asked.is_not(None),
            emptied=_always(
                asked=null(),
                body=_decisions.c.body.op("||")(
                    literal({"read": {}, "facts": [], "trace": []}, JSONB)
                ),
            ),
        ),
    ),
    Kind.EVENT_DATA: (
        Sweep(
            table=_events,
            old=lambda cut_off: _events.c.received_at < cut_off,
            full=_events.c.payload != _EMPTY,
            emptied=_always(payload=_EMPTY),
        ),
        Sweep(
            table=_items,
            old=lambda cut_off: _items.c.joined_at < cut_off,
            full=_items.c.variables != _EMPTY,
            emptied=_always(variables=_EMPTY),
        ),
    ),
    Kind.COMPLAINT_WORDS: (
        Sweep(
            table=_complaints,
            old=lambda cut_off: _complaints.c.closed_at < cut_off,
            full=or_(
                _complaints.c.text != "",
                _complaints.c.answer != "",
                _complaints.c.file_number != "",
            ),
            emptied=lambda now: {
                "text": "",
                "answer": "",
                "file_number": "",
                "erased_at": now,
                "erased_by": BY,
            },
        ),
    ),
    Kind.CASE_TEXTS: (
        Sweep(
            table=_cases,
            old=lambda cut_off: _cases.c.resolved_at < cut_off,
            full=or_(
                _cases.c.subject != "",
                _cases.c.answer != "",
                _cases.c.result != "",
                exists().where(_entries.c.case_id == _cases.c.id, _entries.c.body != _EMPTY),
            ),
            emptied=_always(
                subject="",
                answer="",
                result="",
                form_reference="",
                queue_ticket="",
                special_category="",
                tracking_code=None,
            ),
            beside=lambda ids: (
                update(_entries).where(_entries.c.case_id.in_(ids)).values(body={}),
                update(_surveys).where(_surveys.c.case_id.in_(ids)).values(comment=""),
                update(_assessments).where(_assessments.c.case_id.in_(ids)).values(note=""),
            ),
        ),
        Sweep(
            table=_applications,
            old=lambda cut_off: exists().where(
                _cases.c.id == _applications.c.case_id, _cases.c.resolved_at < cut_off
            ),
            full=or_(_applications.c.text != "", _applications.c.attachments != _NO_LIST),
            emptied=_always(
                text="",
                attachments=_NO_LIST,
                # A mail's name for itself ends with the name of its writer's house.
                reference=literal(ERASED) + _applications.c.id,
            ),
        ),
    ),
    Kind.CONSENT_EVIDENCE: (
        Sweep(
            table=_consents,
            old=_over,
            full=_consents.c.erased_at.is_(None),
            emptied=lambda now: {
                "evidence": _EMPTY,
                "address": "",
                "recorded_by": "",
                "salt": "",
                "erased_at": now,
                "erased_by": BY,
            },
        ),
    ),
    Kind.INBOUND_WORDS: (
        # A word belongs to those whom it concerned, who may be of several brands.
        Sweep(
            table=_effects,
            old=lambda cut_off: and_(_effects.c.received_at < cut_off, ~_another_complained()),
            full=exists().where(_inbound.c.id == _effects.c.inbound_id, _inbound.c.text != ""),
            beside=lambda ids: (
                update(_inbound)
                .where(_inbound.c.id == _effects.c.inbound_id, _effects.c.id.in_(ids))
                .values(sender=literal(ERASED) + _inbound.c.id, text=""),
            ),
        ),
    ),
    Kind.SIGNAL_ORIGINS: (
        Sweep(
            table=_signals,
            old=lambda cut_off: _signals.c.at < cut_off,
            full=_signals.c.customer_id.is_not(None),
            emptied=lambda now: {
                "customer_id": null(),
                "reference": literal(ERASED) + _signals.c.id,
                "answered_at": func.coalesce(_signals.c.answered_at, now),
            },
        ),
    ),
}


class Purging:
    """Empties while it holds the lease, once a day."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        periods: Mapping[Kind, Period],
        leases: Leases,
        *,
        batch: int = _BATCH,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._periods = periods
        self._leases = leases
        self._batch = batch
        self._holder = new_id()

    async def run(self, stop: asyncio.Event) -> None:
        """Purge day by day until told to stop."""
        while not stop.is_set():
            await self.purge_if_due(stop)
            await rest(stop, _LOOK_EVERY_S)

    async def purge_if_due(self, stop: asyncio.Event | None = None) -> bool:
        """Purge if the last whole run is a day old, and it is ours to do; say whether it was."""
        if not await self._leases.take("purge", self._holder, _HELD_FOR):
            return False
        since = self._clock.now() - _EVERY
        async with self._sessions() as tx:
            # The kinds go in turn: a run that was cut off lacks the last of them.
            query = select(_purges.c.id).where(
                _purges.c.at > since, _purges.c.kind == list(Kind)[-1].value
            )
            if (await tx.execute(query.limit(1))).first() is not None:
                return False
        await self.purge(stop)
        return True

    async def purge(self, stop: asyncio.Event | None = None) -> dict[Kind, int]:
        """Purge every kind now; return how much went of each."""
        run, removed = new_id(), dict.fromkeys(Kind, 0)
        for kind in Kind:
            at = _Place(run, kind, self._clock.now() - self._periods[kind].keep)
            seen: Counter[str] = Counter()
            for sweep in SWEEPS[kind]:
                after = ""
                while stop is None or not stop.is_set():
                    await self._leases.take("purge", self._holder, _HELD_FOR)
                    counted, after = await self._sweep(at, sweep, after)
                    seen += counted
                    if not after:
                        break
            if stop is not None and stop.is_set():
                break
            await self._note_nothing(at, seen)
            removed[kind] = seen.total()
        return removed

    async def _sweep(self, at: _Place, sweep: Sweep, after: str) -> tuple[Counter[str], str]:
        """Empty one batch; return how many rows of each brand, and the last id if there is more."""
        columns = sweep.table.c
        picked = (
            select(columns.id, columns.brand_id)
            .where(
                columns.id > after,
                # Ids sort by the time of making, and nothing is done before it was made.
                columns.id < first_id(at.cut_off),
                sweep.old(at.cut_off),
                sweep.full,
                ~_complained(columns.customer_id),
            )
            .order_by(columns.id)
            .limit(self._batch)
            .with_for_update(key_share=True, skip_locked=True, of=sweep.table)
        )
        now = self._clock.now()
        async with self._sessions() as tx, tx.begin():
            rows = (await tx.execute(picked)).all()
            ids = [row.id for row in rows]
            if sweep.emptied:
                emptying = update(sweep.table).where(columns.id.in_(ids))
                await tx.execute(emptying.values(dict(sweep.emptied(now))))
            for beside in sweep.beside(ids) if sweep.beside else ():
                await tx.execute(beside)
            counted = Counter(row.brand_id for row in rows)
            await _write(tx, at, counted, now)
        more = len(rows) == self._batch
        return counted, ids[-1] if more else ""

    async def _note_nothing(self, at: _Place, seen: Mapping[str, int]) -> None:
        """Write down for brands of which nothing went that the run was there."""
        async with self._sessions() as tx, tx.begin():
            brands = (await tx.execute(select(_brands.c.id))).scalars().all()
            nothing = dict.fromkeys(set(brands) - seen.keys(), 0)
            await _write(tx, at, nothing, self._clock.now())


async def purges(tx: AsyncSession, brand_id: str, begins: datetime, ends: datetime) -> list[Purge]:
    """Read what the runs of a period removed of a brand's, the latest first."""
    query = (
        select(
            _purges.c.run,
            _purges.c.kind,
            _purges.c.cut_off,
            func.sum(_purges.c.removed).label("removed"),
            func.max(_purges.c.at).label("at"),
        )
        .where(_purges.c.brand_id == brand_id, _purges.c.at >= begins, _purges.c.at < ends)
        .group_by(_purges.c.run, _purges.c.kind, _purges.c.cut_off)
        .order_by(_purges.c.run.desc(), _purges.c.kind)
    )
    return [Purge(**row._mapping) for row in await tx.execute(query)]  # noqa: SLF001 - public in SQLAlchemy


def _complained(customer_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column
    return exists().where(_open.c.customer_id == customer_id, _open.c.closed_at.is_(None))


def _another_complained() -> ColumnElement[bool]:
    """Say of a word's effect whether the word concerns somebody whose complaint is open."""
    return exists().where(
        _others.c.inbound_id == _effects.c.inbound_id, _complained(_others.c.customer_id)
    )


async def _write(
    tx: AsyncSession,
    at: _Place,
    counted: Mapping[str, int],
    now: datetime,
) -> None:
    rows = [
        {
            "id": new_id(),
            "run": at.run,
            "brand_id": brand_id,
            "kind": at.kind.value,
            "cut_off": at.cut_off,
            "removed": number,
            "at": now,
        }
        for brand_id, number in counted.items()
    ]
    if rows:
        await tx.execute(insert(_purges), rows)
