"""One look at one outage by its workflow: what the clock has made due is done, at once.

The ledger decides; a look that is repeated, or comes late, does nothing twice.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal import metrics
from tellal.clock import Clock
from tellal.domain.incidents import IncidentKind, Incidents
from tellal.domain.journeys import OutageStep
from tellal.domain.lead_times import reminder_at
from tellal.domain.messages import REACHED
from tellal.domain.outages import (
    ENDED,
    TELLS_OF_IT,
    NoticeKind,
    OutageCommand,
    OutageKind,
    OutageState,
    next_state,
)
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import CauseCountRow
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.services import outage_rounds as rounds
from tellal.services.outage_checks import OutageChecks
from tellal.services.outage_history import Act, enter, written
from tellal.services.outage_telling import begin_round
from tellal.services.outage_views import entries, notices, outages
from tellal.services.outage_words import NEXT_UPDATE
from tellal.services.round_reading import DECIDED, STOPPED, go_through_again
from tellal.services.webhooks import announce

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_counted = table(CauseCountRow)

SWEEP_AGAIN = timedelta(minutes=5)
"""How often it is looked for people who have become affected meanwhile."""

_SETTLING = (timedelta(seconds=2), timedelta(minutes=5))
_SETTLE_LIMIT = timedelta(hours=48)
"""How soon and how seldom the ledger is read after the end, and for how long at most."""

_BY = "clock"
_TELLS = [kind.value for kind in TELLS_OF_IT]
_SAYS_IT_IS_OVER = [NoticeKind.ALL_CLEAR.value, NoticeKind.CANCELLED.value]
_NEWS = [
    command.value
    for command in (
        OutageCommand.CONFIRM,
        OutageCommand.ANNOUNCE,
        OutageCommand.UPDATE,
        OutageCommand.EXTEND,
        OutageCommand.RESCHEDULE,
        OutageCommand.REOPEN,
    )
]
"""Commands by which people get news, and with them a promise of an end, or of the next news."""


class OutageWatch:
    """Looks at outages; each look is one transaction."""

    def __init__(
        self, sessions: Sessions, incidents: Incidents, checks: OutageChecks, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._incidents = incidents
        self._checks = checks
        self._clock = clock

    async def look(self, outage_id: str) -> OutageStep:
        """Do what is due for an outage and say what comes next."""
        async with self._sessions() as tx, tx.begin():
            query = select(outages).where(outages.c.id == outage_id)
            row = (await tx.execute(query.with_for_update(key_share=True))).one()
            brand = await read_brand(tx, row.brand_id)
            kind = self._incidents.kinds[row.incident]
            topics = self._checks.topics(kind)
            act = Act(tx=tx, brand=brand, kind=kind, now=self._clock.now(), topics=topics)
            glance = _Glance(act=act, incidents=self._incidents)
            row = await glance.do_what_is_due(row)
            undecided = await rounds.undecided(tx, row.id)
            left = await _open_outcomes(tx, row.id)
            over = await glance.is_over(row, left=left, undecided=bool(undecided))
            return OutageStep(
                state=OutageState(row.state),
                stage=_stage(row, undecided, left),
                undecided=undecided,
                wait_until=None if over else await glance.next_instant(row, left=left),
                open_outcomes=left,
                over=over,
            )


@dataclass(frozen=True, kw_only=True)
class _Glance:
    """A look at one outage whose row is locked."""

    act: Act
    incidents: Incidents

    @property
    def tx(self) -> AsyncSession:
        return self.act.tx

    @property
    def kind(self) -> IncidentKind:
        return self.act.kind

    @property
    def now(self) -> datetime:
        return self.act.now

    async def do_what_is_due(self, row: Row[Any]) -> Row[Any]:
        state = OutageState(row.state)
        if state is OutageState.SUSPECTED:
            return await self._while_suspected(row)
        if row.kind == OutageKind.PLANNED and state not in ENDED:
            row = await self._by_the_calendar(row)
        if rounds.tells(row.state):
            row = await self._while_it_runs(row)
        if OutageState(row.state) in ENDED:
            await self._after_the_end(row)
        return row

    async def _while_suspected(self, row: Row[Any]) -> Row[Any]:
        """Page whoever is on call when a suspicion stands too long (B17)."""
        if row.escalated_at is None and self._escalation(row) <= self.now:
            row = await written(self.tx, row, escalated_at=self.now)
            await self._page(row, "escalate", "it is suspected and nobody has decided")
        return row

    async def _by_the_calendar(self, row: Row[Any]) -> Row[Any]:
        """Remind of planned works and begin them when their time comes."""
        if row.starts_at is None:
            return row
        remind_at = await self._reminder(row) if row.state == OutageState.ANNOUNCED else None
        if remind_at is not None and remind_at <= self.now < row.starts_at:
            row = await self._move(row, OutageCommand.REMIND)
            await begin_round(self.act, row, NoticeKind.REMINDER)
        announced = row.state in (OutageState.ANNOUNCED, OutageState.REMINDED)
        if announced and row.starts_at <= self.now:
            row = await self._move(row, OutageCommand.START)
            row = await written(self.tx, row, started_at=row.starts_at)
        return row

    async def _while_it_runs(self, row: Row[Any]) -> Row[Any]:
        due = await self._overdue(row)
        if due is not None and due <= self.now and not await self._paged_since(row, due):
            await self._page(row, "overdue", "people were promised news, or an end, by now")
        await self._compensate(row)
        latest = (
            select(notices.c.id, notices.c.decided_at)
            .where(
                notices.c.outage_id == row.id,
                notices.c.state == DECIDED,
                notices.c.kind.in_(_TELLS),
            )
            .order_by(notices.c.number.desc())
            .limit(1)
        )
        told = (await self.tx.execute(latest)).one_or_none()
        if told is not None and told.decided_at + SWEEP_AGAIN <= self.now:
            await go_through_again(self.tx, told.id)
        return row

    async def _after_the_end(self, row: Row[Any]) -> None:
        """Give the all-clear, too, to whom the notice was on its way when it ended."""
        await self._compensate(row)
        causes = await rounds.causes_that_told(self.tx, row.id)
        # The first one is for everybody; later ones are for who said that he was still without.
        after = (
            select(notices.c.id, notices.c.cause_id, notices.c.state)
            .where(
                notices.c.outage_id == row.id,
                notices.c.state != STOPPED,
                notices.c.kind.in_(_SAYS_IT_IS_OVER),
            )
            .order_by(notices.c.number)
            .limit(1)
        )
        ends = (await self.tx.execute(after)).one_or_none()
        if ends is None or ends.state != DECIDED or not causes:
            return
        answered = exists().where(
            _outcomes.c.cause_id == ends.cause_id,
            _outcomes.c.customer_id == _messages.c.customer_id,
        )
        late = select(
            exists().where(
                _messages.c.cause_id.in_(causes),
                _messages.c.state.in_(sorted(REACHED)),
                ~answered,
            )
        )
        if (await self.tx.execute(late)).scalar_one():
            await go_through_again(self.tx, ends.id)

    async def _compensate(self, row: Row[Any]) -> None:
        """Tell those affected what the law gives them when it has lasted too long."""
        due = self._compensation(row)
        if due is None or due > (row.resolved_at or self.now):
            return
        sent = select(
            exists().where(
                notices.c.outage_id == row.id,
                notices.c.kind == NoticeKind.COMPENSATION.value,
            )
        )
        if not (await self.tx.execute(sent)).scalar_one():
            await begin_round(self.act, row, NoticeKind.COMPENSATION)

    async def is_over(self, row: Row[Any], *, left: int, undecided: bool) -> bool:
        if OutageState(row.state) not in ENDED or undecided:
            return False
        if self.now >= row.resolved_at + _SETTLE_LIMIT + self.kind.review_within:
            return True
        return not left and (row.reviewed_at is not None or not self._waits_for_review(row))

    async def next_instant(self, row: Row[Any], *, left: int) -> datetime | None:
        """Return the first instant at which something is due, None if only a command can be."""
        instants = [at async for at in self._instants(row, left=left)]
        return min((at for at in instants if at is not None and at > self.now), default=None)

    async def _instants(self, row: Row[Any], *, left: int) -> AsyncIterator[datetime | None]:
        state = OutageState(row.state)
        if state is OutageState.SUSPECTED and row.escalated_at is None:
            yield self._escalation(row)
        if state is OutageState.ANNOUNCED and row.starts_at is not None:
            yield await self._reminder(row)
        if state in (OutageState.ANNOUNCED, OutageState.REMINDED):
            yield row.starts_at
        if rounds.tells(row.state):
            yield await self._overdue(row)
            yield self._compensation(row)
            yield self.now + SWEEP_AGAIN
        if state in ENDED and left:
            soon, seldom = _SETTLING
            yield self.now + min(seldom, max(soon, (self.now - row.resolved_at) / 2))
        if state in ENDED and not left:
            yield row.resolved_at + self.kind.review_within

    def _escalation(self, row: Row[Any]) -> datetime:
        since: datetime = row.first_signal_at or row.declared_at
        return since + self.kind.escalate_after

    async def _reminder(self, row: Row[Any]) -> datetime | None:
        """Return when to remind of works, None if people were reminded of what they know last.

        Whoever has just heard of new times is not reminded of them in the same minute.
        """
        query = (
            select(notices.c.kind, notices.c.created_at)
            .where(notices.c.outage_id == row.id, notices.c.kind.in_(_TELLS))
            .order_by(notices.c.number.desc())
            .limit(1)
        )
        told = (await self.tx.execute(query)).one_or_none()
        if told is not None and told.kind == NoticeKind.REMINDER:
            return None
        rule = self.incidents.lead_time(self.act.brand.country, self.kind.sector)
        return reminder_at(rule, row.starts_at, told.created_at if told else row.confirmed_at)

    async def _overdue(self, row: Row[Any]) -> datetime | None:
        """Return when the latest news has promised the end, or, without one, the next news."""
        query = select(func.max(entries.c.at)).where(
            entries.c.outage_id == row.id, entries.c.command.in_(_NEWS)
        )
        news_at: datetime | None = (await self.tx.execute(query)).scalar_one()
        if news_at is None:
            return None
        end: datetime | None = row.expected_end
        return end if end is not None and end > news_at else news_at + NEXT_UPDATE

    def _compensation(self, row: Row[Any]) -> datetime | None:
        after = self.kind.compensate_after
        begun: datetime | None = row.started_at and (row.first_signal_at or row.started_at)
        if after is None or begun is None or NoticeKind.COMPENSATION not in self.kind.topics:
            return None
        return begun + after

    def _waits_for_review(self, row: Row[Any]) -> bool:
        until: datetime = row.resolved_at + self.kind.review_within
        return row.state in (OutageState.RESOLVED, OutageState.COMPLETED) and self.now < until

    async def _move(self, row: Row[Any], command: OutageCommand) -> Row[Any]:
        state = next_state(OutageState(row.state), command)
        row = await written(self.tx, row, state=state.value)
        await enter(self.act, row, command, by=_BY)
        return row

    async def _paged_since(self, row: Row[Any], due: datetime) -> bool:
        query = select(
            exists().where(
                entries.c.outage_id == row.id, entries.c.command == "overdue", entries.c.at >= due
            )
        )
        return bool((await self.tx.execute(query)).scalar_one())

    async def _page(self, row: Row[Any], command: str, why: str) -> None:
        """Call for the person on call: a line of the history, a webhook, a metric."""
        await enter(self.act, row, command, by=_BY, body={"why": why}, shown=False)
        since = row.first_signal_at or row.declared_at
        said = {
            "outage_id": row.id,
            "title": row.title,
            "state": row.state,
            "why": why,
            "seconds_since_first_signal": int((self.now - since).total_seconds()),
        }
        if row.simulated:
            return
        await announce(self.tx, self.act.brand.id, f"on_call.{command}", said, self.now)
        metrics.paged(command)


async def _open_outcomes(tx: AsyncSession, outage_id: str) -> int:
    """Count what is open from the counts that are kept, however many people there are."""
    query = (
        select(func.coalesce(func.sum(_counted.c.open), 0))
        .join(notices, notices.c.cause_id == _counted.c.cause_id)
        .where(notices.c.outage_id == outage_id)
    )
    return int((await tx.execute(query)).scalar_one())


def _stage(row: Row[Any], undecided: tuple[str, ...], left: int) -> str:
    if undecided:
        return "deciding its audience"
    if OutageState(row.state) in ENDED:
        return "settling" if left else str(row.state)
    return "telling" if left else str(row.state)
