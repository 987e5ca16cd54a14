"""What workflows are started with, told and return: ids and words of ours, never a person's.

They stand in histories. A field that is added later needs a default, and a comment that says what
an old history then means.
"""

from dataclasses import dataclass
from datetime import datetime

from tellal.domain.campaigns import CampaignState
from tellal.domain.cases import CaseState
from tellal.domain.channels import Lane
from tellal.domain.messages import OutcomeState
from tellal.domain.outages import OutageState


@dataclass(frozen=True, slots=True, kw_only=True)
class NudgeInput:
    """The outcome that a nudge follows; the rest is for those who look on."""

    outcome_id: str
    topic: str
    brand: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseInput:
    """The case that a workflow accompanies, and the intake channel over which it came.

    `look_at` is when the ledger will have something to do if nobody touches the case.
    """

    case_id: str
    brand: str
    channel: str
    # Those that began before cases could end as they begin were all opened.
    state: CaseState = CaseState.OPENED
    # Those that began before the ledger kept the time ask for their reminders themselves.
    look_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyInput:
    """The case whose applicant is asked what he thinks of how it was dealt with."""

    case_id: str
    brand: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageInput:
    """The outage that a workflow accompanies."""

    outage_id: str
    brand: str
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignInput:
    """The campaign that a workflow accompanies."""

    campaign_id: str
    brand: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignChanged:
    """A campaign's new state."""

    state: CampaignState


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneInput:
    """The lane that a workflow keeps at work; `number` tells apart those of one lane."""

    lane: Lane
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """News of an outcome: its state, or `open` when the ledger has more to say."""

    outcome_id: str
    state: OutcomeState


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChanged:
    """A case's new state, and when the ledger will have something to do in it."""

    state: CaseState
    # Who told of it before the ledger kept the time had nothing to say of it.
    look_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageChanged:
    """An outage's new state."""

    state: OutageState


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageResult:
    """How an outage ended, and how many outcomes were still open when watching ended."""

    state: OutageState
    open_outcomes: int


def lanes_queue(task_queue: str) -> str:
    """Return the queue that lanes alone are worked from, so that no flood keeps them waiting."""
    return f"{task_queue}-lanes"
