"""A stage for workflows: a server that skips time, a worker, and a ledger that follows a script."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType, IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.errors import CodedErrors
from activities.lanes import ShiftReport, WorkLane
from tellal.domain.campaigns import OVER, CampaignState
from tellal.domain.cases import CaseState
from tellal.domain.journeys import (
    CampaignStep,
    CampaignTurn,
    CaseBrief,
    CaseOutlook,
    Notice,
    OutageStep,
    Step,
)
from tellal.domain.messages import OutcomeState
from tellal.domain.outages import ENDED, OutageState
from tellal.domain.outbox import OutboxItem, OutboxKind
from tellal.ids import new_id
from tellal.temporal import SEARCH_ATTRIBUTES
from workflows import registry
from workflows.contracts import lanes_queue
from workflows.registry import WORKFLOWS
from workflows.telling import Telling

_IDENTITY = "stage"
"""Stands in stored histories instead of a process and its machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """What the ledger will say of an outcome: its state, a stage, and how long to wait."""

    state: OutcomeState = OutcomeState.OPEN
    stage: str = "in the lane"
    wait: timedelta = timedelta(hours=1)


@dataclass
class ScriptedCampaigns:
    """Plays a campaign: `steps` and `turns` in their order, the last of each again and again.

    A number of seconds in a step or a turn is how long from now it is to wait.
    """

    env: WorkflowEnvironment
    steps: list[tuple[CampaignState, str, float | None]] = field(default_factory=list)
    turns: list[tuple[int, bool, float | None]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def look(self, campaign_id: str) -> CampaignStep:
        self.asked.append(f"look {campaign_id}")
        state, run_id, wait = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        return CampaignStep(
            state=state,
            stage=state.value,
            run_id=run_id,
            ended_runs=(),
            wait_until=await self._until(wait),
            open_outcomes=0,
            over=state in OVER,
        )

    async def decide_some(self, run_id: str) -> CampaignTurn:
        self.asked.append(f"decide {run_id}")
        decided, done, wait = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        until = await self._until(wait)
        return CampaignTurn(decided=decided, done=done, wait_until=until, rest_s=wait or 0.0)

    async def _until(self, wait: float | None) -> datetime | None:
        now = await self.env.get_current_time()
        return None if wait is None else now + timedelta(seconds=wait)


@dataclass
class ScriptedLedger:
    """Says what its script says, the last cue again and again; keeps what it was asked."""

    env: WorkflowEnvironment
    outcomes: dict[str, list[Cue]] = field(default_factory=dict)
    notices: dict[CaseState, dict[str, Cue]] = field(default_factory=dict)
    remind_after: timedelta | None = None
    reminded: tuple[str, ...] = ("routed", "answered")
    beside: dict[str, Cue] = field(default_factory=dict)
    state: CaseState = CaseState.OPENED
    outage: OutageState = OutageState.SUSPECTED
    rounds: dict[str, int] = field(default_factory=dict)
    due: timedelta | None = None
    left_open: list[int] = field(default_factory=lambda: [0])
    asked: list[tuple[str, str]] = field(default_factory=list)
    campaigns: ScriptedCampaigns = field(init=False)

    def __post_init__(self) -> None:
        self.campaigns = ScriptedCampaigns(self.env)

    async def advance(self, outcome_id: str) -> Step:
        self.asked.append(("advance", outcome_id))
        script = self.outcomes[outcome_id]
        return await self._step(outcome_id, script.pop(0) if len(script) > 1 else script[0])

    async def notice(self, case_id: str, state: CaseState) -> Notice:
        self.asked.append(("notice", state.value))
        assert case_id
        steps = [await self._step(one, cue) for one, cue in self.notices.get(state, {}).items()]
        return Notice(steps=tuple(steps))

    async def remind(self, case_id: str, state: CaseState) -> bool:
        self.asked.append(("remind", state.value))
        return bool(case_id) and state is self.state

    async def describe(self, case_id: str) -> CaseBrief:
        assert case_id
        self.asked.append(("describe", self.state.value))
        after = self.remind_after.total_seconds() if self.remind_after else None
        return CaseBrief(
            brand="utility", channel="web", state=self.state.value, remind_after_s=after
        )

    async def attend(self, case_id: str) -> CaseOutlook:
        assert case_id
        self.asked.append(("attend", self.state.value))
        now, after = await self.env.get_current_time(), self.remind_after
        waits = after is not None and self.state.value in self.reminded
        steps = [await self._step(one, cue) for one, cue in self.beside.items()]
        return CaseOutlook(
            state=self.state.value,
            look_at=now + after if after is not None and waits else None,
            steps=tuple(steps),
        )

    async def survey(self, case_id: str) -> Notice:
        self.asked.append(("survey", case_id))
        return Notice(steps=(await self._step("survey", Cue(wait=timedelta(hours=4))),))

    async def look(self, outage_id: str) -> OutageStep:
        assert outage_id
        self.asked.append(("look", self.outage.value))
        rounds = tuple(one for one, chunks in self.rounds.items() if chunks)
        now = await self.env.get_current_time()
        over = self.outage in ENDED and not rounds
        return OutageStep(
            state=self.outage,
            stage="deciding its audience" if rounds else self.outage.value,
            undecided=rounds,
            wait_until=None if self.due is None else now + self.due,
            open_outcomes=0 if over else 1,
            over=over,
        )

    async def decide_chunk(self, notice_id: str) -> bool:
        self.asked.append(("chunk", notice_id))
        self.rounds[notice_id] -= 1
        return self.rounds[notice_id] > 0

    async def open_outcomes(self, outage_id: str) -> int:
        self.asked.append(("open", outage_id))
        return self.left_open.pop(0) if len(self.left_open) > 1 else self.left_open[0]

    async def _step(self, outcome_id: str, cue: Cue) -> Step:
        opens = cue.state is OutcomeState.OPEN
        now = await self.env.get_current_time()
        return Step(
            outcome_id=outcome_id,
            state=cue.state,
            stage=cue.stage if opens else cue.state.value,
            wait_until=now + cue.wait if opens else None,
            rule="phishing.channels.sms",
            topic="phishing",
            brand="bank",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a scene is played."""

    env: WorkflowEnvironment
    ledger: ScriptedLedger
    task_queue: str

    @property
    def client(self) -> Client:
        return self.env.client

    async def end_of(self, handle: WorkflowHandle[Any, Any]) -> Any:  # noqa: ANN401 - of any workflow
        """Let time fly until a run ends, and return its result."""
        server = self.client.test_service
        await server.unlock_time_skipping(UnlockTimeSkippingRequest())
        try:
            return await asyncio.wait_for(handle.result(follow_runs=False), 20)
        finally:
            await server.lock_time_skipping(LockTimeSkippingRequest())

    async def say(self, kind: OutboxKind, workflow_id: str, **body: str) -> None:
        """Start or tell a workflow as the outbox does."""
        item = OutboxItem(id=new_id(), kind=kind, workflow_id=workflow_id, body=body)
        await Telling(self.client, self.task_queue).deliver(item)


@asynccontextmanager
async def a_stage() -> AsyncIterator[Stage]:
    """Open a server of its own (its clock is everybody's) and a worker without any cache.

    Without a cache each task replays the whole history, so what is not deterministic shows.
    """
    env = await WorkflowEnvironment.start_time_skipping(
        # Beside the Python that runs, also where its folder is not on the path: nothing is fetched.
        test_server_existing_path=str(Path(sys.executable).parent / "temporal-test-server"),
        data_converter=pydantic_data_converter,
        identity=_IDENTITY,
    )
    async with env:
        await _know_search_attributes(env.client)
        ledger, task_queue = ScriptedLedger(env), f"stage-{new_id()}"
        main = Worker(
            env.client,
            task_queue=task_queue,
            identity=_IDENTITY,
            workflows=WORKFLOWS,
            activities=registry.activities(
                journeys=ledger, cases=ledger, outages=ledger, campaigns=ledger.campaigns
            ),
            interceptors=[CodedErrors()],
            max_cached_workflows=0,
        )
        lanes = Worker(
            env.client,
            task_queue=lanes_queue(task_queue),
            identity=_IDENTITY,
            activities=[quiet_shift],
        )
        async with main, lanes:
            yield Stage(env=env, ledger=ledger, task_queue=task_queue)


@activity.defn(name="tellal.work_lane")
async def quiet_shift(order: WorkLane) -> ShiftReport:
    """Stand in for a shift in which nothing happened."""
    assert order.shift_s > 0
    return ShiftReport(accepted=0, rejected=0, ambiguous=0)


async def duration(handle: WorkflowHandle[Any, Any]) -> timedelta:
    """Return how long a run that has ended took on its own clock."""
    run = await handle.describe()
    assert run.close_time is not None
    return run.close_time - run.start_time


async def events(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Return the kinds of a run's events, without what every event is surrounded by."""
    history = await handle.fetch_history()
    names = [EventType.Name(event.event_type) for event in history.events]
    return [name.removeprefix("EVENT_TYPE_").lower() for name in names]


async def _know_search_attributes(client: Client) -> None:
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace=client.namespace,
            search_attributes={name: keyword for name, _ in SEARCH_ATTRIBUTES},
        )
    )
