"""Stored histories go on under today's code: an open run must not break when it is deployed."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from tests.support.scenes import HISTORIES, SCENES
from workflows.registry import WORKFLOWS

STORED = sorted(HISTORIES.glob("*.json"))


def stored(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
async def test_a_stored_history_replays(path: Path) -> None:
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)

    await replayer.replay_workflow(stored(path))


async def test_a_history_that_does_not_fit_is_noticed() -> None:
    """Replaying must be able to fail, or the test above shows nothing."""
    history = stored(HISTORIES / "case_plain.json")
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)

    scheduled = next(
        event
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    )
    attributes = scheduled.activity_task_scheduled_event_attributes
    attributes.activity_type.name = "tellal.something_else"

    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(history)


def test_every_scene_is_stored_and_every_workflow_has_one() -> None:
    names = {path.stem for path in STORED}
    played = {_type(stored(path)) for path in STORED}

    assert set(SCENES) <= names
    assert played == {_wire_name(workflow) for workflow in WORKFLOWS}


def _type(history: WorkflowHistory) -> str:
    started = history.events[0].workflow_execution_started_event_attributes
    return started.workflow_type.name


def _wire_name(workflow: type) -> str:
    name: str = workflow.__temporal_workflow_definition.name  # type: ignore[attr-defined]  # set by the decorator
    return name
