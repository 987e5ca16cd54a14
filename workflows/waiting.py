"""How a workflow that follows the ledger waits: for news, or for the clock."""

from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows import policies


async def news_or(has_news: Callable[[], bool], until: datetime | None) -> None:
    """Wait until there is news or an instant has come; without one for a long while at most."""
    seldom = workflow.now() + policies.SELDOM
    patience = min(until or seldom, seldom) - workflow.now()
    timeout = max(patience, policies.SHORTEST_SILENCE)
    try:
        await workflow.wait_condition(has_news, timeout=timeout)
    except TimeoutError:
        return
