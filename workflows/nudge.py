"""A nudge: one topic, one customer, until he is told, has done it, or it is given up."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tellal.domain.journeys import Step
    from tellal.domain.messages import OutcomeState
    from workflows.contracts import NudgeInput, Progressed
    from workflows.delivery import Ear, follow
    from workflows.showing import show


@workflow.defn(name="TellalNudge")
class NudgeWorkflow:
    """Waits; whether and how to speak again is decided anew in the ledger before each try."""

    @workflow.init
    def __init__(self, nudge: NudgeInput) -> None:
        self._nudge = nudge
        self._ear = Ear()

    @workflow.run
    async def run(self, nudge: NudgeInput) -> OutcomeState:
        """Follow the outcome to its end."""
        state = await follow(self._ear, nudge.outcome_id, seen=self._seen)
        show(stage=state.value, outcome=state.value)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return state

    @workflow.signal(name="progressed", description="The ledger has news of the outcome.")
    def progressed(self, news: Progressed) -> None:
        """Take news in."""
        self._ear.hear(news)

    def _seen(self, step: Step) -> None:
        workflow.set_current_details(
            f"**{self._nudge.topic}** for a customer of {step.brand}\n\n"
            f"* stage: {step.stage}\n* rule: {step.rule}\n* looks again: {step.wait_until}"
        )
        if not step.final:
            show(stage=step.stage, rule=step.rule)
