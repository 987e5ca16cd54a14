"""What workflows learn of the ledger: ids and words of ours, never a person's."""

from dataclasses import dataclass
from datetime import datetime

from tellal.domain.campaigns import CampaignState
from tellal.domain.messages import OutcomeState
from tellal.domain.outages import OutageState


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where an outcome stands, and until when to wait before looking again.

    `wait_until` is None when `state` is final. `stage` is a word for people, `rule` the id of the
    rule that chose the channels.
    """

    outcome_id: str
    state: OutcomeState
    stage: str
    wait_until: datetime | None
    rule: str
    topic: str
    brand: str

    @property
    def final(self) -> bool:
        """Say whether nothing more will happen for this outcome."""
        return self.state is not OutcomeState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The notices that a case owes at one state: where each of them stands."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseBrief:
    """A case as its workflow needs it. `remind_after_s`: seconds in this state until a reminder."""

    brand: str
    channel: str
    state: str
    remind_after_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutlook:
    """Where a case is after everything due was done; `steps` are notices on their way.

    `look_at` is when there will be something to do if nobody touches it; None is never.
    """

    state: str
    look_at: datetime | None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageStep:
    """How an outage stands: have these rounds decided, then look again at `wait_until`.

    It is None when only an operator can bring something about. `stage` is a word for people.
    `over` says that nothing more can happen; `open_outcomes` are then those that did not end.
    """

    state: OutageState
    stage: str
    undecided: tuple[str, ...]
    wait_until: datetime | None
    open_outcomes: int
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStep:
    """How a campaign stands: have this run decided, then look again at `wait_until`.

    It is None when only a person can bring something about, or when there is a run to decide.
    `stage` is a word for people; `ended_runs` are runs that this look has ended.
    """

    state: CampaignState
    stage: str
    run_id: str
    ended_runs: tuple[str, ...]
    wait_until: datetime | None
    open_outcomes: int
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignTurn:
    """One turn of deciding: how many were, whether the run is through, until when to rest.

    `rest_s` is how long that is, in seconds.
    """

    decided: int
    done: bool
    wait_until: datetime | None = None
    rest_s: float = 0.0
