"""A decision: whether to speak, over what, when, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from tellal.domain.channels import Channel, Lane, MessageClass

Value = str | int | bool | tuple[str, ...]
"""What a document may hold at a path; absent, null and empty list are the same: not there."""


class Verdict(StrEnum):
    """What was decided; an event that waits with others for one message is in a `digest`."""

    SEND = "send"
    DEFER = "defer"
    SUPPRESS = "suppress"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A rule that held, and where it stands; `source` is the article, if it is of the law."""

    rule: str
    section: str
    file: str
    line: int
    text: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a message or a channel was stopped: a stable code, words, and the rule if one did it.

    `source` is the article, where the rule is one of the law.
    """

    code: str
    text: str
    rule: str = ""
    file: str = ""
    line: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One channel of the plan, not before an instant, with the patience it is given.

    `patience` is how long silence is borne before the next step goes; it matters only for channels
    with delivery receipts.
    """

    channel: Channel
    not_before: datetime
    patience: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CapUse:
    """A slot of a cap that sending over a channel takes: written in the deciding transaction."""

    cap: str
    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer of the rules to one question, with everything needed to explain it.

    `read` holds the facts that the rules looked at (personal values masked); `removed` names, per
    channel that a later phase took away, the reason; `delays` says which full caps it waits for;
    `passed` says against which of his wishes and refusals the law lets the message go; `shadow`
    holds the rules that would have had an effect, were they in force. `executor` is who answered:
    `durable_rules`, or `reference` when the engine erred, was late or differed.
    """

    topic: str
    message_class: MessageClass
    lane: Lane
    verdict: Verdict
    at: datetime
    steps: tuple[PlanStep, ...] = ()
    expires_at: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    delays: tuple[Reason, ...] = ()
    fired: tuple[Fired, ...] = ()
    facts: tuple[str, ...] = ()
    read: Mapping[str, Value | None] = field(default_factory=dict)
    removed: Mapping[Channel, Reason] = field(default_factory=dict)
    cap_uses: tuple[CapUse, ...] = ()
    trace: tuple[Mapping[str, object], ...] = ()
    passed: tuple[Reason, ...] = ()
    shadow: tuple[Fired, ...] = ()
    revision: str = ""
    executor: str = "reference"
