"""Call tasks: whom officers must call, who has taken which, and what came of each call (E43)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.profiles import CallPlan, IntakeProfile
from tellal.clock import Clock
from tellal.domain.calls import Purpose, TaskState, is_unreachable
from tellal.domain.cases import CallOutcome
from tellal.domain.channels import Channel
from tellal.domain.errors import ConflictError, NotFoundError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.persistence.tables.operations import CallTaskRow, CaseRow
from tellal.services.call_claims import check_free, hours_from, matching, standing_of

_tasks = table(CallTaskRow)
_cases = table(CaseRow)
_customers = table(CustomerRow)
_points = table(ContactPointRow)
_brands = table(BrandRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTask:
    """A task as officers see it; `state` is `open` again when the time of who claimed it is over.

    `phone_known` is false where nobody knows a number: it is asked for over the intake channel.
    """

    id: str
    case: str
    customer_ref: str
    channel: str
    purpose: str
    state: str
    phone_known: bool
    attempts: int
    last_outcome: str
    claimed_by: str
    claimed_until: datetime | None
    not_before: datetime
    due_at: datetime
    created_at: datetime
    ended_at: datetime | None


class CaseCalls:
    """Makes tasks, gives them to officers, and counts what was tried."""

    def __init__(
        self, profiles: Mapping[str, IntakeProfile], clock: Clock, *, speed: float = 1.0
    ) -> None:
        self._profiles = profiles
        self._clock = clock
        self._speed = speed

    async def owe(self, tx: AsyncSession, case: Row[Any], purpose: Purpose) -> None:
        """Have an applicant called, unless that is to be done already."""
        if await self.task_of(tx, case.id) is not None:
            return
        now, plan = self._clock.now(), self._plan(case.channel)
        begins = await self._may_call(tx, case.brand_id, plan, now)
        await tx.execute(
            insert(_tasks).values(
                id=new_id(),
                brand_id=case.brand_id,
                case_id=case.id,
                round=case.round,
                purpose=purpose.value,
                state=TaskState.OPEN.value,
                attempts=0,
                last_outcome="",
                claimed_by="",
                not_before=begins,
                due_at=begins + plan.due / self._speed,
                created_at=now,
            )
        )

    async def task_of(self, tx: AsyncSession, case_id: str) -> Row[Any] | None:
        """Return the task of a case that is not over."""
        query = select(_tasks).where(_tasks.c.case_id == case_id, _tasks.c.ended_at.is_(None))
        return (await tx.execute(query)).one_or_none()

    async def count(
        self, tx: AsyncSession, case: Row[Any], outcome: CallOutcome, *, fulfilled: bool
    ) -> bool:
        """Count a call to a case's applicant; say whether he is unreachable now."""
        task = await self.task_of(tx, case.id)
        if task is None:
            return False
        now, plan = self._clock.now(), self._plan(case.channel)
        first, attempts = task.first_tried_at or now, task.attempts + 1
        gone = not fulfilled and is_unreachable(
            outcome, attempts, first, now, most=plan.attempts, over=plan.over / self._speed
        )
        values: dict[str, object] = {
            "attempts": attempts,
            "last_outcome": outcome.value,
            "first_tried_at": first,
            "tried_at": now,
            "claimed_by": "",
            "claimed_until": None,
            "state": TaskState.OPEN.value,
            "not_before": await self._may_call(
                tx, case.brand_id, plan, now + plan.retry / self._speed
            ),
        }
        if fulfilled or gone:
            ended = TaskState.DONE if fulfilled else TaskState.UNREACHABLE
            values |= {"state": ended.value, "ended_at": now, "claimed_by": task.claimed_by}
        await tx.execute(update(_tasks).where(_tasks.c.id == task.id).values(values))
        return gone

    async def vain_until(self, tx: AsyncSession, case: Row[Any]) -> datetime | None:
        """Return when calling is over that was tried often enough, but not long enough yet."""
        task, plan = await self.task_of(tx, case.id), self._plan(case.channel)
        if task is None or task.attempts < plan.attempts:
            return None
        over: datetime = task.first_tried_at + plan.over / self._speed
        return over

    async def end(self, tx: AsyncSession, case_id: str, state: TaskState) -> None:
        """End the task of a case, if there is one."""
        await tx.execute(
            update(_tasks)
            .where(_tasks.c.case_id == case_id, _tasks.c.ended_at.is_(None))
            .values(state=state.value, ended_at=self._clock.now())
        )

    async def page(
        self,
        tx: AsyncSession,
        brand_id: str,
        *,
        state: TaskState | None = None,
        due: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> tuple[CallTask, ...]:
        """List tasks in the order of their making; `due` are those that may be called now."""
        now = self._clock.now()
        query = _shown().where(
            _tasks.c.brand_id == brand_id,
            _tasks.c.id > after,
            *matching(_tasks, state, now, due=due),
        )
        rows = await tx.execute(query.order_by(_tasks.c.id).limit(limit))
        return tuple(_view(row, now) for row in rows)

    async def claim(self, tx: AsyncSession, brand_id: str, task_id: str, *, by: str) -> CallTask:
        """Give a task to an officer for a while, in hours in which may be called.

        Raises:
            NotFoundError: The brand has no such task.
            ConflictError: It is over, somebody else has it, it is too early, or no number is known.
        """
        row, now = await self._locked(tx, brand_id, task_id), self._clock.now()
        self._check(row, by, now)
        if row.not_before > now:
            raise ConflictError(
                "it is too early to call",
                code="too_early",
                hint=f"call from {row.not_before.isoformat()} on",
            )
        plan = self._plan(row.channel)
        allowed = await self._may_call(tx, brand_id, plan, now)
        if allowed > now:
            raise ConflictError(
                "nobody is called at this hour",
                code="outside_call_hours",
                hint=f"call from {allowed.isoformat()} on",
            )
        if not row.phone_known:
            raise ConflictError(
                "no number of the applicant is known",
                code="phone_unknown",
                hint="ask for it over the channel on which he wrote, and put it on the customer; "
                "if he has none, tell the outcome wrong_number, and reply in writing",
            )
        await self._set(
            tx,
            task_id,
            state=TaskState.CLAIMED.value,
            claimed_by=by,
            claimed_until=now + plan.lease / self._speed,
        )
        return await self._view(tx, brand_id, task_id)

    async def release(self, tx: AsyncSession, brand_id: str, task_id: str, *, by: str) -> CallTask:
        """Give a task back.

        Raises:
            NotFoundError: The brand has no such task.
            ConflictError: It is over, or somebody else has it.
        """
        self._check(await self._locked(tx, brand_id, task_id), by, self._clock.now())
        await self._set(tx, task_id, state=TaskState.OPEN.value, claimed_by="", claimed_until=None)
        return await self._view(tx, brand_id, task_id)

    async def for_outcome(
        self, tx: AsyncSession, brand_id: str, task_id: str, *, by: str
    ) -> CallTask:
        """Return the task of which an officer tells how the call went.

        Raises:
            NotFoundError: The brand has no such task.
            ConflictError: It is over, or somebody else has it.
        """
        found = await self._view(tx, brand_id, task_id)
        row = (await tx.execute(_shown().where(_tasks.c.id == task_id))).one()
        self._check(row, by, self._clock.now())
        return found

    async def view(self, tx: AsyncSession, brand_id: str, task_id: str) -> CallTask:
        """Show a task.

        Raises:
            NotFoundError: The brand has no such task.
        """
        return await self._view(tx, brand_id, task_id)

    def _check(self, row: Row[Any], by: str, now: datetime) -> None:
        check_free(row, by, now, what="task", who="officer")

    def _plan(self, channel: str) -> CallPlan:
        profile = self._profiles.get(channel)
        return profile.calls if profile else CallPlan()

    async def _may_call(
        self, tx: AsyncSession, brand_id: str, plan: CallPlan, at: datetime
    ) -> datetime:
        if self._speed > 1:
            return at  # A rehearsal does not wait for the morning.
        query = select(_brands.c.country, _brands.c.timezone).where(_brands.c.id == brand_id)
        brand = (await tx.execute(query)).one()
        return hours_from(at, plan, country=brand.country, timezone=brand.timezone)

    async def _locked(self, tx: AsyncSession, brand_id: str, task_id: str) -> Row[Any]:
        lock = select(_tasks.c.id).where(_tasks.c.id == task_id, _tasks.c.brand_id == brand_id)
        await tx.execute(lock.with_for_update(key_share=True))
        query = _shown().where(_tasks.c.id == task_id, _tasks.c.brand_id == brand_id)
        row: Row[Any] | None = (await tx.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError("no such call task")
        return row

    async def _set(self, tx: AsyncSession, task_id: str, **values: object) -> None:
        await tx.execute(update(_tasks).where(_tasks.c.id == task_id).values(values))

    async def _view(self, tx: AsyncSession, brand_id: str, task_id: str) -> CallTask:
        query = _shown().where(_tasks.c.id == task_id, _tasks.c.brand_id == brand_id)
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError("no such call task")
        return _view(row, self._clock.now())


def _shown() -> Select[Any]:
    known = exists().where(
        _points.c.customer_id == _cases.c.customer_id,
        _points.c.channel == Channel.SMS.value,
        _points.c.bad_reason == "",
    )
    return (
        select(
            _tasks,
            _cases.c.number,
            _cases.c.channel,
            _customers.c.ref,
            known.label("phone_known"),
        )
        .join(_cases, _cases.c.id == _tasks.c.case_id)
        .join(_customers, _customers.c.id == _cases.c.customer_id)
    )


def _view(row: Row[Any], now: datetime) -> CallTask:
    standing = standing_of(row, now)
    return CallTask(
        id=row.id,
        case=row.number,
        customer_ref=row.ref,
        channel=row.channel,
        purpose=row.purpose,
        state=standing.state,
        phone_known=row.phone_known,
        attempts=row.attempts,
        last_outcome=row.last_outcome,
        claimed_by=standing.by,
        claimed_until=standing.until,
        not_before=row.not_before,
        due_at=row.due_at,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
