"""A case from its opening to its resolution: tells the applicant, and reminds who has it."""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cases import AboutCase, CaseActivities, CaseRef
    from tellal.domain.cases import ENDED, CaseState
    from tellal.domain.journeys import CaseBrief, CaseOutlook, Notice, Step
    from workflows import policies
    from workflows.contracts import CaseChanged, CaseInput, Progressed
    from workflows.delivery import Ear, follow
    from workflows.showing import show

_LEDGER_KEEPS_TIME = "the ledger keeps the time of cases"
_REMINDED = (CaseState.ROUTED, CaseState.ANSWERED)


@workflow.defn(name="TellalCase")
class CaseWorkflow:
    """Officers command over the API, the ledger obeys; this waits, tells and reminds."""

    @workflow.init
    def __init__(self, case: CaseInput) -> None:
        self._case = case
        self._state = case.state
        self._look_at = case.look_at
        self._news = 0
        self._ear = Ear()
        self._notices: dict[str, str] = {}
        self._followed: set[str] = set()
        self._beside: list[asyncio.Task[None]] = []

    @workflow.run
    async def run(self, case: CaseInput) -> CaseState:
        """Tell at the opening, wait and have done what is due, tell at the end."""
        keeps_time = workflow.patched(_LEDGER_KEEPS_TIME)
        if case.state not in ENDED:
            self._beside.append(asyncio.create_task(self._tell(CaseState.OPENED)))
        await (self._until_ended() if keeps_time else self._until_resolved())
        await asyncio.gather(*self._beside, self._tell(CaseState.RESOLVED))
        show(stage=self._state.value, outcome=", ".join(sorted(set(self._notices.values()))))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._state

    @workflow.signal(name="changed", description="The case has a new state.")
    def changed(self, change: CaseChanged) -> None:
        """Take the new state in; a resolved case stays resolved."""
        if self._state not in ENDED:
            self._state, self._look_at = change.state, change.look_at
            self._news += 1

    @workflow.signal(name="progressed", description="The ledger has news of a notice.")
    def progressed(self, news: Progressed) -> None:
        """Take news of a notice in."""
        self._ear.hear(news)

    async def _tell(self, state: CaseState) -> None:
        """Have the notices of a state decided, and follow each until it is settled."""
        notice: Notice = await workflow.execute_activity_method(
            CaseActivities.notice,
            self._about(state),
            start_to_close_timeout=policies.LEDGER_TIMEOUT,
            retry_policy=policies.LEDGER_RETRY,
            summary=f"notices of a case that is {state}",
        )
        await asyncio.gather(*(self._follow(step) for step in notice.steps))

    async def _follow(self, step: Step) -> None:
        """Follow a notice to its end, unless that is being done."""
        if step.outcome_id in self._followed:
            return
        self._followed.add(step.outcome_id)
        self._seen(step)
        show(topic=step.topic, rule=step.rule)
        state = await follow(self._ear, step.outcome_id, step=step, seen=self._seen)
        self._notices[step.topic] = state.value
        self._describe()

    async def _until_ended(self) -> None:
        """Wait for news, and until the ledger has something to do."""
        while self._state not in ENDED:
            show(stage=self._state.value)
            self._describe()
            pause, news = self._pause(), self._news
            if pause > timedelta(0) and await self._hears_within(news, pause):
                continue
            outlook = await self._attend()
            for step in outlook.steps:
                self._beside.append(asyncio.create_task(self._follow(step)))
            if self._news == news:
                self._state = CaseState(outlook.state)
                self._look_at = _not_before(
                    workflow.now() + policies.SHORTEST_SILENCE, outlook.look_at
                )

    def _pause(self) -> timedelta:
        if self._look_at is None:
            return policies.LONGEST_QUIET
        return min(policies.LONGEST_QUIET, self._look_at - workflow.now())

    async def _hears_within(self, news: int, time: timedelta) -> bool:
        try:
            await workflow.wait_condition(
                lambda: self._news != news,
                timeout=time,
                timeout_summary="until something is due",
            )
        except TimeoutError:
            return False
        return True

    async def _attend(self) -> CaseOutlook:
        return await workflow.execute_activity_method(
            CaseActivities.attend,
            CaseRef(case_id=self._case.case_id),
            start_to_close_timeout=policies.LEDGER_TIMEOUT,
            retry_policy=policies.LEDGER_RETRY,
            summary=f"what is due for a case that is {self._state}?",
        )

    async def _until_resolved(self) -> None:
        """Accompany a case that began before the ledger kept the time."""
        while self._state not in ENDED:
            state = self._state
            show(stage=state.value)
            self._describe()
            await self._accompany(state)

    async def _accompany(self, state: CaseState) -> None:
        """Stay as long as a state lasts, reading the ledger before acting on silence; remind."""
        since, reminders = workflow.now(), 0
        pause = policies.BEFORE_REMINDERS if state in _REMINDED else policies.SELDOM
        while not await self._changes_within(state, pause):
            brief = await self._ask(state)
            if self._state is not state:
                return
            if brief.state != state:
                self._state = CaseState(brief.state)
                return
            pause = policies.SELDOM
            if brief.remind_after_s is not None:
                after = timedelta(seconds=brief.remind_after_s)
                if workflow.now() >= since + after * (reminders + 1):
                    await self._remind(state)
                    reminders += 1
                pause = since + after * (reminders + 1) - workflow.now()

    async def _ask(self, state: CaseState) -> CaseBrief:
        return await workflow.execute_activity_method(
            CaseActivities.describe,
            self._about(state),
            start_to_close_timeout=policies.LEDGER_TIMEOUT,
            retry_policy=policies.LEDGER_RETRY,
            summary="where is the case, and when is a reminder due?",
        )

    async def _remind(self, state: CaseState) -> None:
        await workflow.execute_activity_method(
            CaseActivities.remind,
            self._about(state),
            start_to_close_timeout=policies.LEDGER_TIMEOUT,
            retry_policy=policies.LEDGER_RETRY,
            summary=f"it has been {state} for too long",
        )

    async def _changes_within(self, state: CaseState, time: timedelta) -> bool:
        try:
            await workflow.wait_condition(
                lambda: self._state is not state,
                timeout=time,
                timeout_summary="until somebody looks",
            )
        except TimeoutError:
            return False
        return True

    def _about(self, state: CaseState) -> AboutCase:
        return AboutCase(case_id=self._case.case_id, state=state)

    def _seen(self, step: Step) -> None:
        self._notices[step.topic] = step.stage
        self._describe()

    def _describe(self) -> None:
        notices = "".join(f"\n* {topic}: {stage}" for topic, stage in self._notices.items())
        workflow.set_current_details(
            f"A case of {self._case.brand} over {self._case.channel}: **{self._state}**\n{notices}"
        )


def _not_before(earliest: datetime, at: datetime | None) -> datetime | None:
    """A clock of the ledger that is a little behind must not be asked in a hurry."""
    return None if at is None else max(earliest, at)
