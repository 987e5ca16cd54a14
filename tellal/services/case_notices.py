"""What a case owes its applicant: notices at opening and at closing, and reminders to the team."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.profiles import IntakeProfile
from tellal.domain.cases import CaseState
from tellal.domain.journeys import CaseBrief, Notice, Step
from tellal.domain.messages import OutcomeState
from tellal.domain.plans import Plan
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, lock_customer_by_id
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.persistence.tables.operations import CaseEntryRow, CaseRow
from tellal.services.asking import Circumstances
from tellal.services.deciding import Deciding, Matter

_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_outcomes = table(OutcomeRow)


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
        self._deciding = deciding
        self._profiles = profiles
        self._speed = speed

    async def notice(self, case_id: str, state: CaseState) -> Notice:
        """Decide what is to be told at a state; called again it finds what was decided."""
        async with self._sessions() as tx, tx.begin():
            case = await self._case(tx, case_id)
            customer = await lock_customer_by_id(tx, case.customer_id)
            brand = await read_brand(tx, case.brand_id)
            known = await self._known(tx, case_id)
            for topic in self._profiles[case.channel].notices.get(state, ()):
                if topic in known:
                    continue
                await self._deciding.decide(
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
            steps = await self._steps(tx, case, brand.name, state)
        return Notice(steps=steps)

    async def describe(self, case_id: str) -> CaseBrief:
        """Say what the workflow must know of a case: nothing of persons."""
        async with self._sessions() as tx:
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
        query = select(_cases).where(_cases.c.id == case_id)
        return (await tx.execute(query.with_for_update(key_share=True) if lock else query)).one()

    async def _known(self, tx: AsyncSession, case_id: str) -> set[str]:
        query = select(_outcomes.c.topic).where(_outcomes.c.workflow_id == f"case/{case_id}")
        return set((await tx.execute(query)).scalars())

    async def _steps(
        self, tx: AsyncSession, case: Row[Any], brand: str, state: CaseState
    ) -> tuple[Step, ...]:
        topics = self._profiles[case.channel].notices.get(state, ())
        query = select(_outcomes).where(
            _outcomes.c.workflow_id == f"case/{case.id}", _outcomes.c.topic.in_(topics)
        )
        return tuple(_step(row, brand) for row in (await tx.execute(query)).all())


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
