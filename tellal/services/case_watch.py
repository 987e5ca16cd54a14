"""What time brings about in a case: reminders, warnings, escalation, and who cannot be reached.

A workflow asks when the ledger told it to; everything that is due by then is done at once.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.profiles import IntakeProfile
from tellal.clock import Clock
from tellal.domain.calls import TaskState
from tellal.domain.cases import ENDED, CaseState, Moment
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand, Customer
from tellal.domain.journeys import CaseOutlook
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, lock_customer_by_id
from tellal.persistence.session import Sessions
from tellal.persistence.tables.operations import CaseEntryRow, CaseRow
from tellal.services.case_calls import CaseCalls
from tellal.services.case_duties import next_look
from tellal.services.case_news import case_changed
from tellal.services.case_notices import CASE, LOCKED, CaseNotices

_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_BY = "tellal"


class CaseWatch:
    """Does what is due for a case, and says when to ask again."""

    def __init__(
        self,
        sessions: Sessions,
        profiles: Mapping[str, IntakeProfile],
        clock: Clock,
        notices: CaseNotices,
        calls: CaseCalls,
        *,
        speed: float = 1.0,
    ) -> None:
        self._sessions = sessions
        self._profiles = profiles
        self._clock = clock
        self._notices = notices
        self._calls = calls
        self._speed = speed

    async def attend(self, case_id: str) -> CaseOutlook:
        """Do what is due; asked twice, the second time finds it done."""
        async with self._sessions() as tx, tx.begin():
            customer_id = (await tx.execute(CASE, {"the_case": case_id})).one().customer_id
            # Whoever decides locks the customer first, then what is his.
            customer = await lock_customer_by_id(tx, customer_id)
            case = (await tx.execute(LOCKED, {"the_case": case_id})).one()
            brand = await read_brand(tx, case.brand_id)
            if case.state not in ENDED and case.channel in self._profiles:
                await self._calling(tx, brand, customer, case)
                await self._remind(tx, case)
                await self._deadline(tx, case)
            case = (await tx.execute(CASE, {"the_case": case_id})).one()
            steps = await self._notices.open_steps(tx, brand, case)
            return CaseOutlook(
                state=case.state, look_at=await self._next(tx, case), steps=tuple(steps)
            )

    async def _calling(
        self, tx: AsyncSession, brand: Brand, customer: Customer, case: Row[Any]
    ) -> None:
        """Give up calls that were tried long enough; whom nobody reached is written to (E43)."""
        until, gone_at = await self._calls.vain_until(tx, case), case.unreachable_at
        if gone_at is None and until is not None and until <= self._clock.now():
            await self._calls.end(tx, case.id, TaskState.UNREACHABLE)
            gone_at = self._clock.now()
            await self._set(tx, case, unreachable_at=gone_at)
        if gone_at is None:
            return
        moment = Moment.UNREACHABLE
        # Each time that he became unreachable is told once; the instant of it tells them apart.
        nth = f"{case.round}.{int(gone_at.timestamp())}"
        if not await self._was_entered(tx, case, nth):
            by_mail = any(one.channel is Channel.EMAIL for one in customer.contact_points)
            await self._notices.tell(tx, brand, customer, case, moment, nth=nth)
            way = "email" if by_mail else "letter"
            await self._enter(tx, case, "unreachable", {"nth": nth, "fallback": way})

    async def _was_entered(self, tx: AsyncSession, case: Row[Any], nth: str) -> bool:
        query = _entries.select().where(
            _entries.c.case_id == case.id,
            _entries.c.command == "unreachable",
            _entries.c.body["nth"].astext == nth,
        )
        return (await tx.execute(query)).first() is not None

    async def _remind(self, tx: AsyncSession, case: Row[Any]) -> None:
        after = self._profiles[case.channel].remind_after.get(CaseState(case.state))
        now = self._clock.now()
        since: datetime = case.reminded_at or case.state_at
        if after is None or now < since + after / self._speed:
            return
        await self._set(tx, case, reminders=case.reminders + 1, reminded_at=now)
        await self._enter(tx, case, "remind", {"state": case.state, "team": case.team})

    async def _deadline(self, tx: AsyncSession, case: Row[Any]) -> None:
        now, profile = self._clock.now(), self._profiles[case.channel]
        if case.warned_at is None and case.warn_at is not None and case.warn_at <= now:
            await self._set(tx, case, warned_at=now)
            await self._enter(tx, case, "warn", {"due_at": case.due_at.isoformat()})
        if case.escalated_at is None and case.due_at is not None and case.due_at <= now:
            to = profile.deadline.escalate_to if profile.deadline else ""
            await self._set(tx, case, escalated_at=now)
            await self._enter(tx, case, "escalate", {"due_at": case.due_at.isoformat(), "to": to})
            await case_changed(tx, case, "escalate", now)

    async def _next(self, tx: AsyncSession, case: Row[Any]) -> datetime | None:
        profile = self._profiles.get(case.channel)
        if profile is None:
            return None
        until = None if case.unreachable_at else await self._calls.vain_until(tx, case)
        return next_look(dict(case._mapping), profile, self._speed, until)  # noqa: SLF001 - its public name

    async def _set(self, tx: AsyncSession, case: Row[Any], **values: object) -> None:
        await tx.execute(update(_cases).where(_cases.c.id == case.id).values(values))

    async def _enter(
        self, tx: AsyncSession, case: Row[Any], command: str, body: Mapping[str, object]
    ) -> None:
        await tx.execute(
            insert(_entries).values(
                id=new_id(),
                case_id=case.id,
                command=command,
                by=_BY,
                body=dict(body),
                at=self._clock.now(),
            )
        )


class CaseDesk:
    """Cases as their workflows see them."""

    def __init__(self, notices: CaseNotices, watch: CaseWatch) -> None:
        self.notice = notices.notice
        self.survey = notices.survey
        self.describe = notices.describe
        self.remind = notices.remind
        self.attend = watch.attend
