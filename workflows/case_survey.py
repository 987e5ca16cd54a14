"""A survey after a case: decided when it is due, and followed until it is settled."""

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cases import CaseActivities, CaseRef
    from tellal.domain.journeys import Notice, Step
    from workflows import policies
    from workflows.contracts import Progressed, SurveyInput
    from workflows.delivery import Ear, follow


@workflow.defn(name="TellalCaseSurvey")
class CaseSurveyWorkflow:
    """Starts when the time has come; a case that was taken up again is not asked about."""

    @workflow.init
    def __init__(self, survey: SurveyInput) -> None:
        self._survey = survey
        self._ear = Ear()

    @workflow.run
    async def run(self, survey: SurveyInput) -> int:
        """Have the survey decided and follow it; return how many notices that were."""
        notice: Notice = await workflow.execute_activity_method(
            CaseActivities.survey,
            CaseRef(case_id=survey.case_id),
            start_to_close_timeout=policies.LEDGER_TIMEOUT,
            retry_policy=policies.LEDGER_RETRY,
            summary="ask what he thinks of it",
        )
        states = await asyncio.gather(
            *(
                follow(self._ear, step.outcome_id, step=step, seen=self._seen)
                for step in notice.steps
            )
        )
        await workflow.wait_condition(workflow.all_handlers_finished)
        return len(states)

    @workflow.signal(name="progressed", description="The ledger has news of a notice.")
    def progressed(self, news: Progressed) -> None:
        """Take news of a notice in."""
        self._ear.hear(news)

    def _seen(self, step: Step) -> None:
        workflow.set_current_details(f"After a case of {self._survey.brand}: {step.stage}")
