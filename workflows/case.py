"""A case from its opening to its resolution: tells the applicant, and reminds who has it."""

import asyncio
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cases import AboutCase, CaseActivities
    from tellal.domain.cases import CaseState
    from tellal.domain.journeys import CaseBrief, Notice, Step
    from workflows import policies
    from workflows.contracts import CaseChanged, CaseInput, Progressed
    from workflows.delivery import Ear, follow
    from workflows.showing import show

_REMINDED = (CaseState.ROUTED, CaseState.ANSWERED)


@workflow.defn(name="TellalCase")
class CaseWorkflow:
    """Officers command over the API, the ledger obeys; this waits, tells and reminds."""

    @workflow.init
    def __init__(self, case: CaseInput) -> None:
        self._case = case
        self._state = CaseState.OPENED
        self._ear = Ear()
        self._notices: dict[str, str] = {}

    @workflow.run
    async def run(self, case: CaseInput) -> CaseState:  # noqa: ARG002 - __init__ has it already
        """Tell at the opening, wait and remind, tell at the resolution."""
        opening = asyncio.create_task(self._tell(CaseState.OPENED))
        await self._until_resolved()
        await asyncio.gather(opening, self._tell(CaseState.RESOLVED))
        show(stage=self._state.value, outcome=", ".join(sorted(set(self._notices.values()))))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._state

    @workflow.signal(name="changed", description="The case has a new state.")
    def changed(self, change: CaseChanged) -> None:
        """Take the new state in; a resolved case stays resolved."""
        if self._state is not CaseState.RESOLVED:
            self._state = change.state

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
        self._seen(step)
        show(topic=step.topic, rule=step.rule)
        state = await follow(self._ear, step.outcome_id, step=step, seen=self._seen)
        self._notices[step.topic] = state.value
        self._describe()

    async def _until_resolved(self) -> None:
        while self._state is not CaseState.RESOLVED:
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
