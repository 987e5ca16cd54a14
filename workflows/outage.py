"""An outage: it waits for operators and for the clock, and has everybody told until it is over."""

from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.outages import AboutOutage, AboutRound, OutageActivities, WatchOutage
    from tellal.domain.journeys import OutageStep
    from tellal.domain.outages import OutageState
    from workflows import policies
    from workflows.contracts import OutageChanged, OutageInput, OutageResult
    from workflows.showing import show
    from workflows.waiting import news_or


@workflow.defn(name="TellalOutage")
class OutageWorkflow:
    """Operators' calls are answered by the API; this looks at the ledger and does what follows."""

    @workflow.init
    def __init__(self, outage: OutageInput) -> None:
        self._outage = outage
        self._state = OutageState.SUSPECTED
        self._news = 0

    @workflow.run
    async def run(self, outage: OutageInput) -> OutageResult:
        """Look, have whoever is affected decided, wait for news or the clock, and look again."""
        if not workflow.patched("rounds"):
            return await self._as_before_rounds()
        while True:
            heard = self._news
            step = await self._look()
            if step.over:
                break
            for notice_id in step.undecided:
                await self._decide(notice_id)
            if step.undecided:
                continue
            await news_or(self._has_heard(heard), step.wait_until)
            if workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(outage)
        show(stage=step.stage, outcome="settled" if not step.open_outcomes else "unsettled")
        await workflow.wait_condition(workflow.all_handlers_finished)
        return OutageResult(state=step.state, open_outcomes=step.open_outcomes)

    @workflow.signal(name="changed", description="The outage has a new state.")
    def changed(self, change: OutageChanged) -> None:
        """Look again; how things stand is in the ledger."""
        self._news += 1
        if self._state not in (OutageState.RESOLVED, OutageState.DISMISSED):
            self._state = change.state

    async def _look(self) -> OutageStep:
        step = await workflow.execute_activity_method(
            OutageActivities.look,
            AboutOutage(outage_id=self._outage.outage_id),
            start_to_close_timeout=policies.LEDGER_TIMEOUT,
            retry_policy=policies.LEDGER_RETRY,
            summary="what is due?",
        )
        self._at_stage(step.stage)
        return step

    async def _decide(self, notice_id: str) -> None:
        """Have a round's audience decided; it ends by itself when the round is stopped."""
        await workflow.execute_activity_method(
            OutageActivities.decide_round,
            AboutRound(notice_id=notice_id),
            start_to_close_timeout=policies.AUDIENCE_TIMEOUT,
            heartbeat_timeout=policies.AUDIENCE_HEARTBEAT,
            retry_policy=policies.LEDGER_RETRY,
            summary="who is affected?",
        )

    def _has_heard(self, before: int) -> Callable[[], bool]:
        """Return what says whether there is news since so many."""
        return lambda: self._news > before

    async def _as_before_rounds(self) -> OutageResult:
        """Go on with a run that began when an outage told of itself only once."""
        await workflow.wait_condition(lambda: self._state is not OutageState.SUSPECTED)
        left = 0
        if self._state is not OutageState.DISMISSED:
            await self._tell_everybody()
            left = await self._until_settled()
        show(stage=self._state.value, outcome="settled" if not left else "unsettled")
        await workflow.wait_condition(workflow.all_handlers_finished)
        return OutageResult(state=self._state, open_outcomes=left)

    async def _tell_everybody(self) -> None:
        """Decide the audience; it ends by itself when the outage is resolved in the middle."""
        self._at_stage("deciding its audience")
        await workflow.execute_activity_method(
            OutageActivities.decide_audience,
            AboutOutage(outage_id=self._outage.outage_id),
            start_to_close_timeout=policies.AUDIENCE_TIMEOUT,
            heartbeat_timeout=policies.AUDIENCE_HEARTBEAT,
            retry_policy=policies.LEDGER_RETRY,
            summary="who is affected?",
        )
        self._at_stage("telling")
        await workflow.wait_condition(lambda: self._state is OutageState.RESOLVED)

    async def _until_settled(self) -> int:
        self._at_stage("settling")
        limit: datetime = workflow.now() + policies.WATCH_LIMIT
        left = 1
        while left and workflow.now() < limit:
            left = await workflow.execute_activity_method(
                OutageActivities.watch,
                WatchOutage(
                    outage_id=self._outage.outage_id, at_most_s=policies.WATCH.total_seconds()
                ),
                start_to_close_timeout=policies.WATCH_TIMEOUT,
                heartbeat_timeout=policies.WATCH_HEARTBEAT,
                retry_policy=policies.LEDGER_RETRY,
                summary="is anybody left in the open?",
            )
        return left

    def _at_stage(self, stage: str) -> None:
        show(stage=stage)
        workflow.set_current_details(
            f"An outage of {self._outage.brand} ({self._outage.topic}): **{stage}**"
        )
