"""The words in which rules and texts are published: proposals, what may become of them, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tellal.domain.errors import RefusedTransitionError


class ProposalState(StrEnum):
    """Where a proposal stands; the last three are ends."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


class Kind(StrEnum):
    """Whether a proposal puts something new in force, or something that was in force before."""

    PUBLISH = "publish"
    ROLLBACK = "rollback"


class Action(StrEnum):
    """What is done to a proposal, as the log records it."""

    PROPOSE = "propose"
    APPROVE = "approve"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    PUBLISH = "publish"
    ROLLBACK = "rollback"


OPEN = frozenset({ProposalState.PROPOSED, ProposalState.APPROVED})
"""States out of which a proposal may yet come into force."""

IN_FORCE = frozenset({Action.PUBLISH, Action.ROLLBACK})
"""Actions that put a revision in force."""

_NEXT: Mapping[tuple[ProposalState, Action], ProposalState] = {
    (ProposalState.PROPOSED, Action.APPROVE): ProposalState.APPROVED,
    (ProposalState.PROPOSED, Action.PUBLISH): ProposalState.PUBLISHED,
    (ProposalState.PROPOSED, Action.ROLLBACK): ProposalState.PUBLISHED,
    (ProposalState.PROPOSED, Action.REFUSE): ProposalState.REFUSED,
    (ProposalState.PROPOSED, Action.WITHDRAW): ProposalState.WITHDRAWN,
    (ProposalState.APPROVED, Action.PUBLISH): ProposalState.PUBLISHED,
    (ProposalState.APPROVED, Action.ROLLBACK): ProposalState.PUBLISHED,
    (ProposalState.APPROVED, Action.REFUSE): ProposalState.REFUSED,
    (ProposalState.APPROVED, Action.WITHDRAW): ProposalState.WITHDRAWN,
}


def next_state(state: ProposalState, action: Action) -> ProposalState:
    """Return the state after an action.

    Raises:
        RefusedTransitionError: It cannot be done in this state.
    """
    after = _NEXT.get((state, action))
    if after is None:
        raise RefusedTransitionError(
            f"cannot {action.value} a proposal that is {state.value}", code="proposal_state"
        )
    return after


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts on the rulebook: a person, by a key of his own; empty for a key that many share.

    `made_by` is the person who made the key over the API; empty if an operator did.
    """

    person: str
    key_id: str
    made_by: str = ""
    rehearses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A revision that somebody wants in force instead of `base`.

    `affected` is how many customers were counted when it was proposed, and `needs_approval` says
    whether they are more than `threshold`.
    """

    id: str
    revision: str
    base: str
    kind: Kind
    state: ProposalState
    author: str
    approver: str
    affected: int
    threshold: int
    note: str
    created_at: datetime
    decided_at: datetime | None
    published_at: datetime | None

    @property
    def needs_approval(self) -> bool:
        """Whether a second person must agree before it comes into force."""
        return self.state is ProposalState.PROPOSED and self.affected > self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many open journeys of a topic began with a revision, and what they would lack.

    `outages`, `cases` and `campaigns` are those that have not ended and may yet begin journeys of
    the topic.
    """

    topic: str
    revision: str
    open: int
    outages: int = 0
    cases: int = 0
    campaigns: int = 0
    lacks: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """How many there are, in words."""
        if self.outages:
            return f"{self.outages} outages"
        if self.campaigns:
            return f"{self.campaigns} campaigns"
        return f"{self.cases} cases" if self.cases else f"{self.open} open"
