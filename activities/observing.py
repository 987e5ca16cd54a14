"""Lets every activity be seen from outside: its ids in each line that it logs, and how late it is.

Orders hold ids of ours and nothing of persons, so what they name may be logged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from tellal import metrics
from tellal.telemetry import begin


class Observed(Interceptor):
    """Wraps every activity of a worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Put the observation around the next interceptor."""
        return _Observing(next)


class _Observing(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: ANN401 - Temporal's signature
        info = activity.info()
        begin(
            workflow_id=info.workflow_id or "",
            run_id=info.workflow_run_id or "",
            activity=info.activity_type,
            attempt=str(info.attempt),
            **dict(ids_of(input.args)),
        )
        late = info.started_time - info.current_attempt_scheduled_time
        metrics.begun_late("activities", late.total_seconds())
        return await super().execute_activity(input)


def ids_of(orders: Sequence[object]) -> Iterator[tuple[str, str]]:
    """Return the ids that the orders of an activity name."""
    for order in orders:
        if is_dataclass(order):
            for field in fields(order):
                if field.name.endswith("_id"):
                    yield field.name, str(getattr(order, field.name))
