"""An outage: nothing while it is suspected; once confirmed its audience is told, until its end."""

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.outages import AboutOutage, OutageActivities, WatchOutage
    from tellal.domain.outages import OutageState
    from workflows import policies
    from workflows.contracts import OutageChanged, OutageInput, OutageResult
    from workflows.showing import show


@workflow.defn(name="TellalOutage")
class OutageWorkflow:
    """The API confirms, resolves and stops; this decides who is told, and sees it through."""

    @workflow.init
    def __init__(self, outage: OutageInput) -> None:
        self._outage = outage
        self._state = OutageState.SUSPECTED

    @workflow.run
    async def run(self, outage: OutageInput) -> OutageResult:  # noqa: ARG002 - __init__ has it
        """Wait for the word, decide the audience, and wait until nobody is left in the open."""
        await workflow.wait_condition(lambda: self._state is not OutageState.SUSPECTED)
        left = 0
        if self._state is not OutageState.DISMISSED:
            await self._tell_everybody()
            left = await self._until_settled()
        show(stage=self._state.value, outcome="settled" if not left else "unsettled")
        await workflow.wait_condition(workflow.all_handlers_finished)
        return OutageResult(state=self._state, open_outcomes=left)

    @workflow.signal(name="changed", description="The outage has a new state.")
    def changed(self, change: OutageChanged) -> None:
        """Take the new state in; an end stays an end."""
        if self._state not in (OutageState.RESOLVED, OutageState.DISMISSED):
            self._state = change.state

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
