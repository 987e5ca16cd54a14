"""A campaign: it waits for its time, has its audience decided, and is told of what people do."""

from collections.abc import Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.campaigns import AboutCampaign, AboutRun, CampaignActivities
    from tellal.domain.campaigns import CampaignState
    from tellal.domain.journeys import CampaignStep, CampaignTurn
    from workflows import policies
    from workflows.contracts import CampaignChanged, CampaignInput
    from workflows.showing import show
    from workflows.waiting import news_or


@workflow.defn(name="TellalCampaign")
class CampaignWorkflow:
    """People's commands are answered by the API; this looks at the ledger and does what follows."""

    @workflow.init
    def __init__(self, campaign: CampaignInput) -> None:
        self._campaign = campaign
        self._news = 0

    @workflow.run
    async def run(self, campaign: CampaignInput) -> CampaignState:
        """Look, have a run decided at its pace, wait for news or for the clock, and look again."""
        while True:
            if workflow.info().get_current_history_length() > policies.LONGEST_HISTORY:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(campaign)
            heard = self._news
            step = await self._look()
            if step.over:
                break
            until = step.wait_until
            if step.run_id:
                turn = await self._decide(step.run_id)
                if turn.done or turn.wait_until is None:
                    continue
                until = turn.wait_until
            await news_or(self._has_heard(heard), until)
        show(stage=step.stage, outcome=step.state.value)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return step.state

    @workflow.signal(name="changed", description="Somebody has done something to the campaign.")
    def changed(self, change: CampaignChanged) -> None:  # noqa: ARG002 - the ledger says it all
        """Look again; how things stand is in the ledger."""
        self._news += 1

    async def _look(self) -> CampaignStep:
        step = await workflow.execute_activity_method(
            CampaignActivities.look,
            AboutCampaign(campaign_id=self._campaign.campaign_id),
            start_to_close_timeout=policies.LEDGER_TIMEOUT,
            retry_policy=policies.LEDGER_RETRY,
            summary="what is due?",
        )
        show(stage=step.stage)
        workflow.set_current_details(f"A campaign of {self._campaign.brand}: **{step.stage}**")
        return step

    async def _decide(self, run_id: str) -> CampaignTurn:
        return await workflow.execute_activity_method(
            CampaignActivities.decide_run,
            AboutRun(campaign_run_id=run_id),
            start_to_close_timeout=policies.AUDIENCE_TIMEOUT,
            heartbeat_timeout=policies.AUDIENCE_HEARTBEAT,
            retry_policy=policies.LEDGER_RETRY,
            summary="whom to tell?",
        )

    def _has_heard(self, before: int) -> Callable[[], bool]:
        """Return what says whether there is news since so many."""
        return lambda: self._news > before
