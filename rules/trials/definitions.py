"""What a test of rules is: a question, and what the decision about it must be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rules.questions import Question
from rules.source import Place
from tellal.domain.channels import Channel
from tellal.domain.decisions import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a decision must be; None is not looked at.

    `reason` is the first of the reasons, `reasons` all of them in any order; `channels` is the
    plan in its order and `not_before` the instant of its first step; of `fired`, `facts` and
    `shadow` there may be more.
    """

    outcome: Verdict | None = None
    reason: str | None = None
    reasons: frozenset[str] | None = None
    channels: tuple[Channel, ...] | None = None
    not_before: datetime | None = None
    fired: frozenset[str] = frozenset()
    fired_exactly: frozenset[str] | None = None
    not_fired: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()
    not_facts: frozenset[str] = frozenset()
    shadow: frozenset[str] = frozenset()
    removed: Mapping[Channel, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One test; `todo` says what is missing for it to pass."""

    name: str
    question: Question
    expected: Expected
    place: Place
    todo: str = ""
