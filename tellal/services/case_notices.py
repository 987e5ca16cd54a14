"""What a case owes its applicant: notices at the moments that its intake profile names."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.profiles import IntakeProfile
from tellal.domain.cases import ENDED, CaseState, Closure, Moment, workflow_of
from tellal.domain.channels import BY_NUMBER, Channel
from tellal.domain.customers import Brand, Customer
from tellal.domain.journeys import CaseBrief, Notice, Step
from tellal.domain.messages import OutcomeState
from tellal.domain.plans import Plan
from tellal.domain.tracking import grouped
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, lock_customer_by_id
from tellal.persistence.session import Sessions, make_singles
from tellal.persistence.tables.customers import ContactPointRow
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.persistence.tables.operations import CaseEntryRow, CaseRow
from tellal.services.asking import Circumstances
from tellal.services.deciding import Deciding
from tellal.services.entries import Matter

_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_outcomes = table(OutcomeRow)
_points = table(ContactPointRow)

CASE = select(_cases).where(_cases.c.id == bindparam("the_case"))
LOCKED = CASE.with_for_update(key_share=True)
_KNOWN = select(_outcomes).where(
    _outcomes.c.workflow_id == bindparam("workflow"),
    # The customer is named because his outcomes have an index.
    _outcomes.c.customer_id == bindparam("customer"),
)
_OTHERS = select(
    exists().where(
        _points.c.brand_id == bindparam("brand"),
        func.lower(_points.c.address) == func.lower(bindparam("number")),
        _points.c.channel.in_([channel.value for channel in BY_NUMBER]),
        _points.c.customer_id != bindparam("customer"),
    )
)
_OF_CLOSURE: Mapping[Closure, Moment] = {
    Closure.WITHDRAWN: Moment.WITHDRAWN,
    Closure.MERGED: Moment.MERGED,
}


class CaseNotices:
    """Decides the notices of a case, each exactly once."""

    def __init__(
        self,
        sessions: Sessions,
        deciding: Deciding,
        profiles: Mapping[str, IntakeProfile],
        *,
        speed: float = 1.0,
    ) -> None:
        self._sessions = sessions
        self._singles = make_singles(sessions)
        self._deciding = deciding
        self._profiles = profiles
        self._speed = speed

    async def notice(self, case_id: str, state: CaseState) -> Notice:
        """Decide what is to be told at a state; called again it finds what was decided.

        What is still on its way of other moments comes with it. A closing that was taken back is
        told to nobody.
        """
        async with self._sessions() as tx, tx.begin():
            case = await self._case(tx, case_id)
            if state in ENDED and case.state not in ENDED:
                return Notice(steps=())
            moments = _moments(case, state)
            topics = [topic for moment in moments for topic in self._topics(case, moment)]
            if not topics and state not in ENDED:
                return Notice(steps=())
            brand = await read_brand(tx, case.brand_id)
            customer = await lock_customer_by_id(tx, case.customer_id)
            for moment in moments:
                await self.tell(tx, brand, customer, case, moment)
            told = await self.open_steps(tx, brand, case, besides=topics)
        return Notice(steps=tuple(told))

    async def survey(self, case_id: str) -> Notice:
        """Decide the survey of a case, if it still is as it was concluded."""
        async with self._sessions() as tx, tx.begin():
            case = await self._case(tx, case_id)
            if case.state not in ENDED:
                return Notice(steps=())
            brand = await read_brand(tx, case.brand_id)
            customer = await lock_customer_by_id(tx, case.customer_id)
            found = await self.tell(
                tx, brand, customer, case, Moment.SURVEY, workflow=survey_of(case)
            )
            return Notice(steps=tuple(_step(outcome, brand.name) for outcome in found))

    async def tell(
        self,
        tx: AsyncSession,
        brand: Brand,
        customer: Customer,
        case: Row[Any],
        moment: Moment,
        *,
        workflow: str = "",
        nth: str = "",
        said: Mapping[str, object] | None = None,
    ) -> list[Row[Any]]:
        """Decide a moment's notices in the caller's transaction; what was decided stays.

        `nth` tells apart what may be told several times, `said` is what only this moment says. The
        caller has locked the customer.
        """
        topics = self._topics(case, moment)
        if not topics:
            return []
        workflow = workflow or workflow_of(case.id, case.round)
        known = {} if nth else await self._known(tx, case, workflow)
        told = []
        for topic in topics:
            outcome = known.get(topic)
            if outcome is None:
                matter = Matter(
                    topic=topic,
                    cause_kind="case",
                    cause_key=_cause_key(case, topic, nth),
                    variables={"case": await self._said(tx, case, customer, moment, said or {})},
                    around=Circumstances(document={"case.channel": case.channel}),
                    workflow_id=workflow,
                    simulated=case.simulated,
                )
                outcome = (await self._deciding.decide(tx, brand, customer, matter)).outcome
            if outcome is not None:
                told.append(outcome)
        return told

    async def open_steps(
        self, tx: AsyncSession, brand: Brand, case: Row[Any], *, besides: Sequence[str] = ()
    ) -> list[Step]:
        """Return where the notices stand that are on their way, and those of some topics."""
        known = await tx.execute(_KNOWN, _whose(case, workflow_of(case.id, case.round)))
        return [
            _step(outcome, brand.name)
            for outcome in known
            if outcome.topic in besides or outcome.state == OutcomeState.OPEN.value
        ]

    def channels_of(self, case: Row[Any], moment: Moment) -> frozenset[Channel]:
        """Return the channels by which a moment's notices may leave; none if nobody is told."""
        shards = self._deciding.asking.book.shards
        return frozenset(
            channel
            for topic in self._topics(case, moment)
            for plan in shards[topic].channels
            for channel, _ in plan.rule.steps
        )

    async def describe(self, case_id: str) -> CaseBrief:
        """Say what a workflow must know of a case that began before the ledger kept its time."""
        async with self._singles() as tx:
            case = await self._case(tx, case_id)
            brand = await read_brand(tx, case.brand_id)
        after = self._profiles[case.channel].remind_after.get(CaseState(case.state))
        return CaseBrief(
            brand=brand.name,
            channel=case.channel,
            state=case.state,
            remind_after_s=after.total_seconds() / self._speed if after else None,
        )

    async def remind(self, case_id: str, state: CaseState) -> bool:
        """Record a reminder to whoever has the case, if it is still in that state."""
        async with self._sessions() as tx, tx.begin():
            case = (await tx.execute(LOCKED, {"the_case": case_id})).one()
            if case.state != state:
                return False
            now = self._deciding.clock.now()
            await tx.execute(
                update(_cases)
                .where(_cases.c.id == case_id)
                .values(reminders=case.reminders + 1, reminded_at=now)
            )
            await tx.execute(
                insert(_entries).values(
                    id=new_id(),
                    case_id=case_id,
                    command="remind",
                    by="tellal",
                    body={"state": state.value, "team": case.team},
                    at=now,
                )
            )
            return True

    async def _said(
        self,
        tx: AsyncSession,
        case: Row[Any],
        customer: Customer,
        moment: Moment,
        said: Mapping[str, object],
    ) -> dict[str, object]:
        """Return what texts may say of the case: the result only to one reader (E19)."""
        shown: dict[str, object] = {"number": case.number, "result": ""}
        if moment in {Moment.OPENED, Moment.REOPENED}:
            shown["tracking_code"] = grouped(case.tracking_code or "")
        if moment is Moment.RESOLVED and case.result and not await _shared(tx, customer, case):
            shown["result"] = case.result
        if moment is Moment.MERGED and case.merged_into:
            into = await self._case(tx, case.merged_into)
            shown["into"] = into.number
        return shown | dict(said)

    def _topics(self, case: Row[Any], moment: Moment) -> tuple[str, ...]:
        profile = self._profiles.get(case.channel)
        known = self._deciding.asking.book.topics
        named = profile.notices.get(moment, ()) if profile else ()
        return tuple(topic for topic in named if topic in known)

    async def _case(self, tx: AsyncSession, case_id: str) -> Row[Any]:
        return (await tx.execute(CASE, {"the_case": case_id})).one()

    async def _known(self, tx: AsyncSession, case: Row[Any], workflow: str) -> dict[str, Row[Any]]:
        """Read what was decided for a case before; the customer's lock keeps it so."""
        return {row.topic: row for row in await tx.execute(_KNOWN, _whose(case, workflow))}


def survey_of(case: Row[Any]) -> str:
    """Return the id of the workflow that follows the survey of a case."""
    return f"{workflow_of(case.id, case.round)}/survey"


def _whose(case: Row[Any], workflow: str) -> dict[str, object]:
    return {"workflow": workflow, "customer": case.customer_id}


def _moments(case: Row[Any], state: CaseState) -> tuple[Moment, ...]:
    """Return which moments a state is; who was informed at once is told once, at the end (E28)."""
    at_once = case.closure == Closure.INFORMATION_GIVEN and case.resolved_at == case.opened_at
    if at_once:
        return (Moment.INFORMATION,) if state in ENDED else ()
    if state is CaseState.OPENED:
        return (Moment.REOPENED,) if case.round else (Moment.INSTANT, Moment.OPENED)
    if state not in ENDED:
        return ()
    closure = Closure(case.closure) if case.closure else Closure.RESOLVED
    return (_OF_CLOSURE.get(closure, Moment.RESOLVED),)


async def _shared(tx: AsyncSession, customer: Customer, case: Row[Any]) -> bool:
    """Say whether somebody else of the brand reads what is sent to the customer's number."""
    for point in customer.contact_points:
        if point.channel in BY_NUMBER:
            whose = {"brand": case.brand_id, "number": point.address, "customer": customer.id}
            if (await tx.execute(_OTHERS, whose)).scalar_one():
                return True
    return False


def has_number(customer: Customer) -> bool:
    """Say whether it is known on which number the customer can be called."""
    return any(one.channel is Channel.SMS and not one.bad_reason for one in customer.contact_points)


def _cause_key(case: Row[Any], topic: str, nth: str) -> str:
    again = nth or (str(case.round) if case.round else "")
    return f"case:{case.id}:{topic}:{again}" if again else f"case:{case.id}:{topic}"


def _step(outcome: Row[Any], brand: str) -> Step:
    state = OutcomeState(outcome.state)
    plan = Plan.from_json(outcome.plan)
    waits = outcome.created_at + plan.steps[0].patience if state is OutcomeState.OPEN else None
    return Step(
        outcome_id=outcome.id,
        state=state,
        stage="in the lane" if state is OutcomeState.OPEN else state.value,
        wait_until=waits,
        rule=plan.rule,
        topic=outcome.topic,
        brand=brand,
    )
