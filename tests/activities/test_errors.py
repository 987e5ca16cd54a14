"""What goes wrong in an activity is told by a code; a person's data stays out of histories."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.exc import IntegrityError
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from activities.errors import coded
from tellal.domain.errors import NotFoundError
from tellal.domain.journeys import Step
from tests.support.scenes import TOLD, start_nudge
from tests.support.stage import ScriptedLedger, Stage, a_stage

PERSON = "+905320000101"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as opened:
        yield opened


def failing(ledger: ScriptedLedger, *errors: Exception) -> None:
    """Have the ledger raise these before it answers."""
    left, advance = list(errors), ledger.advance

    async def stumbling(outcome_id: str) -> Step:
        if left:
            raise left.pop(0)
        return await advance(outcome_id)

    ledger.advance = stumbling  # type: ignore[method-assign]  # the test's own ledger


async def test_no_words_of_the_database_enter_a_history(stage: Stage) -> None:
    stage.ledger.outcomes["o1"] = [TOLD]
    cause = ValueError(f"Key (address)=({PERSON}) already exists")
    failing(
        stage.ledger, *[IntegrityError("INSERT …", {"address": PERSON}, cause) for _ in range(3)]
    )

    handle = await start_nudge(stage)
    await stage.end_of(handle)

    assert PERSON not in (await handle.fetch_history()).to_json()


async def test_what_is_not_there_is_not_asked_for_again(stage: Stage) -> None:
    stage.ledger.outcomes["o1"] = [TOLD]
    failing(stage.ledger, NotFoundError(f"no customer {PERSON}"))

    handle = await start_nudge(stage)
    with pytest.raises(WorkflowFailureError) as failed:
        await asyncio.wait_for(stage.end_of(handle), 10)

    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(failed.value.cause.cause, ApplicationError)
    assert failed.value.cause.cause.type == "NotFoundError"
    assert (await handle.describe()).status is WorkflowExecutionStatus.FAILED
    assert PERSON not in (await handle.fetch_history()).to_json()


def test_a_code_says_the_class_and_the_place() -> None:
    with pytest.raises(KeyError) as raised:
        dict[str, str]().pop(PERSON)

    error = coded(raised.value)

    assert error.type == "KeyError"
    assert str(error).startswith("KeyError: KeyError at tests.activities.test_errors:")
    assert not error.non_retryable
