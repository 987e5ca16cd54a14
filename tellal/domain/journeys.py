"""A journey seen from outside: where its outcome stands, and until when it may be left alone."""

from dataclasses import dataclass
from datetime import datetime

from tellal.domain.messages import OutcomeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where an outcome stands after it was advanced; ids and words only, it travels in histories.

    `stage` is a word for people who look on. `wait_until` is when silence ends; None once the
    state is final. `rule` is the deciding rule, `brand` the brand's name.
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
