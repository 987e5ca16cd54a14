"""Translates whatever an activity raises into a code: histories hold no words of other systems.

An error of the database quotes the values of its statement, one of a library the address that it
disliked. Neither may enter a history, so the message is replaced and the cause is cut off.
"""

import logging
from typing import Any

from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from tellal.domain.errors import NotFoundError

_log = logging.getLogger(__name__)


class CodedErrors(Interceptor):
    """Wraps every activity of a worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Put the translation around the next interceptor."""
        return _Translating(next)


class _Translating(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: ANN401 - Temporal's signature
        try:
            return await super().execute_activity(input)
        except FailureError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, its words stay here
            raise coded(error) from None


def coded(error: Exception) -> ApplicationError:
    """Return an error that says its class and where it arose, and nothing of what it was about.

    What is not there will not come; everything else may pass when it is tried again.
    """
    name = type(error).__name__
    _log.warning("an activity failed", extra={"error": name})
    gone = isinstance(error, NotFoundError)
    return ApplicationError(f"{name} at {_place(error)}", type=name, non_retryable=gone)


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    module = trace.tb_frame.f_globals.get("__name__", "unknown")
    return f"{module}:{trace.tb_lineno}"
