"""Follows an outcome until it is final: waits, listens, and has the ledger do what is due."""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.journeys import AdvanceOutcome, JourneyActivities
    from tellal.domain.journeys import Step
    from tellal.domain.messages import OutcomeState
    from workflows import policies
    from workflows.contracts import Progressed


class Ear:
    """Keeps the news of outcomes until whoever follows them listens."""

    def __init__(self) -> None:
        self._news: dict[str, OutcomeState] = {}

    def hear(self, news: Progressed) -> None:
        """Take news in; that an outcome is final is never forgotten for older news."""
        if self._news.get(news.outcome_id, OutcomeState.OPEN) is OutcomeState.OPEN:
            self._news[news.outcome_id] = news.state

    async def listen(self, outcome_id: str, silence: timedelta) -> OutcomeState | None:
        """Wait for news of an outcome; None when silence was all."""
        try:
            await workflow.wait_condition(
                lambda: outcome_id in self._news, timeout=silence, timeout_summary="silence"
            )
        except TimeoutError:
            return None
        return self._news.pop(outcome_id)


async def follow(
    ear: Ear, outcome_id: str, *, step: Step | None = None, seen: Callable[[Step], None]
) -> OutcomeState:
    """Follow an outcome, from a step that is known or from the ledger's word, to its end.

    News that it is final end it at once. On any other news, and when silence ends, the ledger is
    read again before anything is done about it; each step that it names is shown to `seen`.
    """
    late = 0
    if step is None:
        step = await _advance(outcome_id)
        seen(step)
    while not step.final:
        silence = _until(step)
        late = late + 1 if silence <= timedelta(0) else 0
        news = await ear.listen(outcome_id, max(silence, _patience(late)))
        if news is not None and news is not OutcomeState.OPEN:
            return news
        step = await _advance(outcome_id)
        seen(step)
    return step.state


async def _advance(outcome_id: str) -> Step:
    return await workflow.execute_activity_method(
        JourneyActivities.advance,
        AdvanceOutcome(outcome_id=outcome_id),
        start_to_close_timeout=policies.LEDGER_TIMEOUT,
        retry_policy=policies.LEDGER_RETRY,
        summary="what is due for this outcome?",
    )


def _until(step: Step) -> timedelta:
    if step.wait_until is None:
        return policies.LONGEST_SILENCE
    return step.wait_until - workflow.now()


def _patience(late: int) -> timedelta:
    """A lane that is late itself is asked ever more rarely."""
    doubled: int = 1 << min(late, 10)
    return min(policies.LONGEST_SILENCE, policies.SHORTEST_SILENCE * doubled)
