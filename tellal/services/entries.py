"""What a decision writes into the ledger, as values: the outcome, its plan, its first message.

Nothing here asks the database. One customer is written by himself (`deciding`) or with thousands
(`entering`); what is written of him is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from rules.rulebook import Topic
from tellal.domain.channels import MessageClass
from tellal.domain.customers import Brand, Customer
from tellal.domain.decisions import Decision, Verdict
from tellal.domain.messages import OutcomeState
from tellal.domain.plans import Plan, Step
from tellal.ids import new_id
from tellal.services.asking import NOTHING, Answer, Circumstances
from tellal.services.posting import Posting


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What is to be decided: a topic, and why it comes up.

    `cause_key` names the cause within the brand; a topic that is told once per content version
    widens it to the version; `cause_id` is set when the cause exists already. `workflow_id` is the
    journey that already follows (a case); None makes a nudge of its own, and an empty one leaves
    the outcome to the ledger (a broadcast). A `simulated` one is rehearsed, with all that follows.
    `event_id` or `digest_id` name what led to it, if one event or a digest of several did.
    """

    topic: str
    cause_kind: str
    cause_key: str
    cause_id: str | None = None
    event_id: str | None = None
    digest_id: str | None = None
    variables: Mapping[str, object] = field(default_factory=dict)
    around: Circumstances = NOTHING
    workflow_id: str | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one decision writes: everything about it in one place."""

    tx: AsyncSession
    brand: Brand
    customer: Customer
    topic: Topic
    matter: Matter
    answer: Answer
    now: datetime

    @property
    def decision(self) -> Decision:
        """What the rules answered."""
        return self.answer.decision

    @property
    def of_events(self) -> bool:
        """Whether one event led to it, or several that were gathered."""
        return self.matter.event_id is not None or self.matter.digest_id is not None

    @property
    def silent(self) -> bool:
        """Whether nothing is said."""
        return self.decision.verdict is Verdict.SUPPRESS


def plan_of(entry: Entry, speed: float = 1.0) -> Plan:
    """Pin what the journey begins with; `speed` divides every wait that rules order."""
    decision, topic = entry.decision, entry.topic
    channel_rule = next((f.rule for f in decision.fired if f.section == "channels"), "")
    over_at = decision.expires_at
    commercial = topic.message_class is MessageClass.COMMERCIAL
    return Plan(
        steps=tuple(
            Step(channel=step.channel, patience=step.patience / speed) for step in decision.steps
        ),
        attempts=topic.attempts,
        every=topic.every / speed,
        expires=topic.expires if over_at is None else over_at - decision.at,
        lane=topic.lane,
        message_class=topic.message_class,
        priority=topic.priority,
        rule=channel_rule,
        revision=decision.revision,
        language=entry.customer.locale,
        variables=entry.matter.variables,
        fold=topic.fold,
        simulated=entry.matter.simulated,
        purposes=topic.purposes if commercial else (),
        without_consent=frozenset(
            step.channel
            for step in decision.steps
            if commercial and not entry.answer.question.consents.get(step.channel)
        ),
    )


def outcome_row(entry: Entry, plan: Plan, cause_id: str) -> dict[str, object]:
    """Return the values of a new row of `outcomes`."""
    return {**outcome_values(entry, plan, cause_id), "plan": plan.to_json()}


def outcome_values(entry: Entry, plan: Plan, cause_id: str) -> dict[str, object]:
    """Return what a new row of `outcomes` says besides its plan."""
    outcome_id = new_id()
    workflow_id = entry.matter.workflow_id
    if workflow_id is None:
        workflow_id = f"nudge/{outcome_id}"
    state = OutcomeState.SUPPRESSED if entry.silent else OutcomeState.OPEN
    return {
        "id": outcome_id,
        "brand_id": entry.brand.id,
        "cause_id": cause_id,
        "customer_id": entry.customer.id,
        "topic": entry.topic.id,
        "content_version": entry.topic.content_version,
        "state": state.value,
        "reason": entry.decision.reasons[0].code if entry.silent else "",
        "tries": 0 if entry.silent else 1,
        "workflow_id": workflow_id or None,
        "check_at": None if workflow_id or entry.silent else entry.now + plan.expires,
        "created_at": entry.now,
        "closed_at": entry.now if entry.silent else None,
    }


def first_posting(entry: Entry, plan: Plan, outcome_id: str, cause_id: str, try_no: int) -> Posting:
    """Say what is to be written for the first step of a decision."""
    first = entry.decision.steps[0]
    return Posting(
        outcome_id=outcome_id,
        cause_id=cause_id,
        topic=entry.topic.id,
        plan=plan,
        step=0,
        try_no=try_no,
        not_before=first.not_before,
        caps=[use.cap for use in entry.decision.cap_uses if use.channel is first.channel],
    )
