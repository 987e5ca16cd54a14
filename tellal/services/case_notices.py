"""What a case owes its applicant: notices at opening and at closing, and reminders to the team."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.profiles import IntakeProfile
from tellal.domain.cases import CaseState
from tellal.domain.journeys import CaseBrief, Notice, Step
from tellal.domain.messages import OutcomeState
from tellal.domain.plans import Plan
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, lock_customer_by_id
from tellal.persistence.session import Sessions, make_singles
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.persistence.tables.operations import CaseEntryRow, CaseRow
from tellal.services.asking import Circumstances
from tellal.services.deciding import Deciding
from tellal.services.entries import Matter

_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_outcomes = table(OutcomeRow)

_CASE = select(_cases).where(_cases.c.id == bindparam("the_case"))
_LOCK = _CASE.with_for_update(key_share=True)
_KNOWN = select(_outcomes).where(
    _outcomes.c.workflow_id == bindparam("workflow"),
    # The customer is named because his outcomes have an index.
    _outcomes.c.customer_id == bindparam("customer"),
)


class CaseNotices:
    """Decides the notices of a case, each exactly once, in a transaction of its own."""

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
        """Decide what is to be told at a state; called again it finds what was decided."""
        async with self._sessions() as tx, tx.begin():
            case = await self._case(tx, case_id)
            topics = self._profiles[case.channel].notices.get(state, ())
            if not topics:
                return Notice(steps=())
            brand = await read_brand(tx, case.brand_id)
            customer = await lock_customer_by_id(tx, case.customer_id)
            outcomes = await self._known(tx, case)
            for topic in topics:
                if topic in outcomes:
                    continue
                decided = await self._deciding.decide(
                    tx,
                    brand,
                    customer,
                    Matter(
                        topic=topic,
                        cause_kind="case",
                        cause_key=_cause_key(case_id, topic),
                        variables={"case": {"number": case.number, "result": case.result}},
                        around=Circumstances(document={"case.channel": case.channel}),
                        workflow_id=f"case/{case_id}",
                        simulated=case.simulated,
                    ),
                )
                if decided.outcome is not None:
                    outcomes[topic] = decided.outcome
        told = [outcomes[topic] for topic in topics if topic in outcomes]
        return Notice(steps=tuple(_step(outcome, brand.name) for outcome in told))

    async def describe(self, case_id: str) -> CaseBrief:
        """Say what the workflow must know of a case: nothing of persons."""
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
            case = await self._case(tx, case_id, lock=True)
            if case.state != state:
                return False
            await tx.execute(
                update(_cases).where(_cases.c.id == case_id).values(reminders=case.reminders + 1)
            )
            await tx.execute(
                insert(_entries).values(
                    id=new_id(),
                    case_id=case_id,
                    command="remind",
                    by="tellal",
                    body={"state": state.value, "team": case.team},
                    at=self._deciding.clock.now(),
                )
            )
            return True

    async def _case(self, tx: AsyncSession, case_id: str, *, lock: bool = False) -> Row[Any]:
        return (await tx.execute(_LOCK if lock else _CASE, {"the_case": case_id})).one()

    async def _known(self, tx: AsyncSession, case: Row[Any]) -> dict[str, Row[Any]]:
        """Read what was decided for a case before; the customer's lock keeps it so."""
        whose = {"workflow": f"case/{case.id}", "customer": case.customer_id}
        return {row.topic: row for row in await tx.execute(_KNOWN, whose)}


def _cause_key(case_id: str, topic: str) -> str:
    return f"case:{case_id}:{topic}"


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
