"""Campaigns: what an author plans, the states a campaign goes through, and who may do what when.

A plan is kept as JSON and read here. Its shape has been checked where it came in; what it says must
fit together, and that is checked here, too.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from tellal.domain.errors import InvalidInputError, RefusedTransitionError

LOCAL = "local"
"""The zone of a plan that goes by each customer's own clock."""
HOLD_OUT = "hold_out"
"""The variant that is told nothing, so that the others have something to be compared with."""
VARIABLE_MISSING = "variable_missing"
"""Why a campaign leaves somebody out of whom its text cannot say what it says."""
BUCKETS = 10_000
"""Into so many parts of one size an audience is divided; a share is so many of them."""

_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOST_STEPS, _MOST_VARIANTS = 20, 8
_MINUTE = timedelta(minutes=1)


class CampaignState(StrEnum):
    """Where a campaign is. `approved` waits for its time, also between two runs."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"
    CANCELLED = "cancelled"


class CampaignCommand(StrEnum):
    """What may be done to a campaign; the clock begins and ends its runs."""

    CHANGE = "change"
    SUBMIT = "submit"
    RETURN = "return"
    APPROVE = "approve"
    BEGIN = "begin"
    PAUSE = "pause"
    RESUME = "resume"
    REST = "rest"
    END = "end"
    CANCEL = "cancel"


_S, _C = CampaignState, CampaignCommand

TRANSITIONS: Mapping[tuple[CampaignState, CampaignCommand], CampaignState] = {
    (_S.DRAFT, _C.CHANGE): _S.DRAFT,
    (_S.DRAFT, _C.SUBMIT): _S.SUBMITTED,
    (_S.DRAFT, _C.CANCEL): _S.CANCELLED,
    (_S.SUBMITTED, _C.CHANGE): _S.DRAFT,
    (_S.SUBMITTED, _C.RETURN): _S.DRAFT,
    (_S.SUBMITTED, _C.APPROVE): _S.APPROVED,
    (_S.SUBMITTED, _C.CANCEL): _S.CANCELLED,
    (_S.APPROVED, _C.CHANGE): _S.DRAFT,
    (_S.APPROVED, _C.BEGIN): _S.RUNNING,
    (_S.APPROVED, _C.END): _S.ENDED,
    (_S.APPROVED, _C.CANCEL): _S.CANCELLED,
    (_S.RUNNING, _C.PAUSE): _S.PAUSED,
    (_S.RUNNING, _C.REST): _S.APPROVED,
    (_S.RUNNING, _C.END): _S.ENDED,
    (_S.RUNNING, _C.CANCEL): _S.CANCELLED,
    (_S.PAUSED, _C.RESUME): _S.RUNNING,
    (_S.PAUSED, _C.CANCEL): _S.CANCELLED,
}

OVER = frozenset({_S.ENDED, _S.CANCELLED})
"""States after which nothing happens any more."""


def next_state(current: CampaignState, command: CampaignCommand) -> CampaignState:
    """Return the state after a command.

    Raises:
        RefusedTransitionError: The table does not allow the command now.
    """
    new = TRANSITIONS.get((current, command))
    if new is None:
        raise RefusedTransitionError(
            f"cannot {command} a campaign that is {current}", code=f"already_{current}"
        )
    return new


def allowed(current: CampaignState) -> tuple[CampaignCommand, ...]:
    """Return what people may do to a campaign in a state."""
    clocks = {_C.BEGIN, _C.REST, _C.END}
    return tuple(one for one in _C if one not in clocks and (current, one) in TRANSITIONS)


class Every(StrEnum):
    """How often a campaign repeats."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Holidays(StrEnum):
    """What becomes of a run that falls on a public holiday: sent, left out, or a working day on."""

    SEND = "send"
    SKIP = "skip"
    NEXT = "next"


class Only(StrEnum):
    """Whom a later step speaks to, by what came of the step before it."""

    ALL = "all"
    TOLD = "told"
    NOT_TOLD = "not_told"
    CONVERTED = "converted"
    NOT_CONVERTED = "not_converted"


_OPPOSITE = frozenset(
    {
        frozenset({Only.TOLD, Only.NOT_TOLD}),
        frozenset({Only.CONVERTED, Only.NOT_CONVERTED}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is meant: those of the groups (without any, everybody) who meet the segment.

    Who is in one of the groups `without` is left out.
    """

    segment: Mapping[str, object] | None
    groups: tuple[str, ...]
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When a campaign runs: `at` on the wall of its zone, once or again and again.

    `window` is when on a day it speaks, so that a long run rests for the night. A run that would
    begin later than `catch_up` after its time, because nobody was at work, is left out.
    """

    at: datetime
    zone: str
    every: Every | None
    on: frozenset[int]
    skip: frozenset[date]
    holidays: Holidays
    until: date | None
    window: tuple[time, time] | None
    jitter: timedelta
    catch_up: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way of saying it, and to how many percent of the audience."""

    name: str
    share: Decimal
    topic: str
    variables: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A later word of a series: so long after the first, to some of those who were meant.

    Of them it is for those who come `only` so from the words before it, and meet the `segment` when
    it comes. Two steps may come at the same time if nobody can be meant by both.
    """

    after: timedelta
    topic: str
    variables: Mapping[str, object]
    only: Only
    segment: Mapping[str, object] | None = None

    def excludes(self, other: "Step") -> bool:
        """Say whether nobody is meant by both: by what came of the words before, or by facts."""
        if frozenset({self.only, other.only}) in _OPPOSITE:
            return True
        mine, others = self.segment, other.segment
        return bool(mine and others) and (mine == {"unless": others} or others == {"unless": mine})


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The event that a campaign wants, and how long after a message it still counts for it."""

    event: str
    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A variant with the buckets that are its own: from `first` up to, not including, `end`."""

    variant: Variant
    first: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A campaign as its author planned it.

    `per_second` is the pace at most, None for as fast as routes allow; what was said per hour is
    spread over the hour. `budget` is what messages may cost, in `currency`.
    """

    topic: str
    variables: Mapping[str, object]
    audience: Audience
    when: When
    variants: tuple[Variant, ...]
    hold_out: Decimal
    per_second: float | None
    budget: Decimal | None
    currency: str
    expires_after: timedelta | None
    goal: Goal | None
    steps: tuple[Step, ...]
    tell_when_done: tuple[str, ...]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Plan":
        """Read a plan.

        Raises:
            InvalidInputError: Something in it does not fit; the error names the field.
        """
        pace, budget = raw.get("pace") or {}, raw.get("budget") or {}
        expires = raw.get("expires_after")
        goal = raw.get("goal")
        plan = cls(
            topic=raw["topic"],
            variables=raw.get("variables") or {},
            audience=_audience(raw.get("audience") or {}),
            when=_when(raw["when"]),
            variants=tuple(_variants(raw)),
            hold_out=_percent(raw.get("hold_out") or 0, "hold_out"),
            per_second=_per_second(pace),
            budget=_amount(budget["amount"]) if budget else None,
            currency=budget.get("currency", ""),
            expires_after=span(expires, "expires_after") if expires else None,
            goal=Goal(event=goal["event"], within=span(goal["within"], "goal.within"))
            if goal
            else None,
            steps=tuple(_steps(raw)),
            tell_when_done=tuple(raw.get("tell_when_done") or ()),
        )
        _check_shares(plan)
        _check_steps(plan)
        return plan

    def slices(self) -> tuple[Slice, ...]:
        """Divide the buckets among variants and the hold-out; what is left goes to the last one."""
        slices, first = [], 0
        held = int(self.hold_out * BUCKETS / 100)
        if held:
            silent = Variant(name=HOLD_OUT, share=self.hold_out, topic=self.topic, variables={})
            slices.append(Slice(variant=silent, first=0, end=held))
            first = held
        variants = self.variants or (
            Variant(name="", share=Decimal(100), topic=self.topic, variables={}),
        )
        room, begun = BUCKETS - held, Decimal(0)
        for one in variants:
            begun += one.share
            end = BUCKETS if one is variants[-1] else held + int(begun * room / 100)
            slices.append(Slice(variant=one, first=first, end=end))
            first = end
        return tuple(slices)

    def said_by(self, variant: Variant) -> Mapping[str, object]:
        """Return what the texts of a variant say as `campaign.…`."""
        return {**self.variables, **variant.variables}

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic that it speaks of, once."""
        first = [one.topic for one in self.variants] or [self.topic]
        return tuple(dict.fromkeys([*first, *(one.topic for one in self.steps)]))


def digest_of(raw: Mapping[str, Any]) -> str:
    """Return what tells one plan from any other; an approval is of one plan."""
    written = json.dumps(raw, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def span(text: object, name: str) -> timedelta:
    """Read a span such as 90s, 30m, 6h, 3d or 2w.

    Raises:
        InvalidInputError: It is none, or longer than a hundred years.
    """
    match = _SPAN.fullmatch(text) if isinstance(text, str) else None
    found = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < found <= timedelta(days=36_500):
        raise InvalidInputError(
            f"'{text}' is no span of time", field=name, hint="write 90s, 30m, 6h, 3d or 2w"
        )
    return found


def _audience(raw: Mapping[str, Any]) -> Audience:
    return Audience(
        segment=raw.get("segment"),
        groups=tuple(raw.get("groups") or ()),
        without=tuple(raw.get("without") or ()),
    )


def _when(raw: Mapping[str, Any]) -> When:
    at = datetime.fromisoformat(raw["at"])
    if at.tzinfo is not None:
        raise InvalidInputError(
            "the time of a campaign is what clocks on the wall show there",
            field="when.at",
            hint="leave the offset out, and name the zone in when.zone",
        )
    repeat = raw.get("repeat") or {}
    window = raw.get("window")
    found = When(
        at=at,
        zone=raw.get("zone") or LOCAL,
        every=Every(repeat["every"]) if repeat else None,
        on=frozenset(_WEEKDAYS.index(day) for day in repeat.get("on") or ()),
        skip=frozenset(date.fromisoformat(day) for day in raw.get("skip") or ()),
        holidays=Holidays(raw.get("holidays") or Holidays.SEND),
        until=date.fromisoformat(raw["until"]) if raw.get("until") else None,
        window=(time.fromisoformat(window["from"]), time.fromisoformat(window["to"]))
        if window
        else None,
        jitter=timedelta(seconds=raw.get("jitter_s") or 0),
        catch_up=timedelta(seconds=raw.get("catch_up_s") or 3600),
    )
    if found.window and not found.window[0] < found.window[1]:
        raise InvalidInputError(
            "a window begins before it ends, on the same day", field="when.window"
        )
    if found.window and not found.window[0] <= at.time() < found.window[1]:
        raise InvalidInputError(
            f"{at:%H:%M} lies outside of the window",
            field="when.window",
            hint="let it run within the window, or widen that",
        )
    if found.until and found.until < at.date():
        raise InvalidInputError("it would end before it begins", field="when.until")
    if found.on and found.every not in (Every.DAY, Every.WEEK):
        raise InvalidInputError(
            "weekdays are for what repeats by day or by week", field="when.repeat.on"
        )
    return found


def _variants(raw: Mapping[str, Any]) -> Sequence[Variant]:
    found = [
        Variant(
            name=one["name"],
            share=_percent(one["share"], "variants.share"),
            topic=one.get("topic") or raw["topic"],
            variables=one.get("variables") or {},
        )
        for one in raw.get("variants") or ()
    ]
    names = [one.name for one in found]
    if len(set(names)) < len(names) or HOLD_OUT in names or "" in names:
        raise InvalidInputError(
            f"variants have names of their own, and none is '{HOLD_OUT}'", field="variants.name"
        )
    if len(found) > _MOST_VARIANTS:
        raise InvalidInputError(f"more than {_MOST_VARIANTS} variants", field="variants")
    return found


def _steps(raw: Mapping[str, Any]) -> Sequence[Step]:
    found = [
        Step(
            after=span(one["after"], "steps.after"),
            topic=one["topic"],
            variables=one.get("variables") or {},
            only=Only(one.get("only") or Only.ALL),
            segment=one.get("segment") or None,
        )
        for one in raw.get("steps") or ()
    ]
    if len(found) > _MOST_STEPS:
        raise InvalidInputError(f"more than {_MOST_STEPS} steps", field="steps")
    return found


def _check_shares(plan: Plan) -> None:
    total = sum((one.share for one in plan.variants), Decimal(0))
    if plan.variants and total != 100:  # noqa: PLR2004 - percent
        raise InvalidInputError(
            f"the variants' shares come to {total} percent of those who are told, not to 100",
            field="variants.share",
        )
    if plan.hold_out > 50:  # noqa: PLR2004 - percent
        raise InvalidInputError("more would be held out than told", field="hold_out")


def _check_steps(plan: Plan) -> None:
    after = timedelta()
    for number, one in enumerate(plan.steps):
        if one.after < after:
            raise InvalidInputError(
                "no step comes before the one that it follows; spans count from the first word",
                field="steps.after",
            )
        beside = [other for other in plan.steps[:number] if other.after == one.after]
        if not all(one.excludes(other) for other in beside):
            raise InvalidInputError(
                "somebody might be meant by two steps that come at the same time",
                field="steps.after",
                hint="let one come later, or give them an opposite 'only', as told and not_told, "
                "or a segment and the same in 'unless'",
            )
        after = one.after
        if one.only in (Only.CONVERTED, Only.NOT_CONVERTED) and plan.goal is None:
            raise InvalidInputError(
                "who has converted is known only where the campaign has a goal",
                field="steps.only",
                hint="say goal: {event: …, within: …}",
            )
    if plan.when.every is not None and plan.steps:
        shortest = {Every.DAY: 1, Every.WEEK: 7, Every.MONTH: 28, Every.YEAR: 365}
        days = 1 if plan.when.on else shortest[plan.when.every]
        if after >= timedelta(days=days):
            raise InvalidInputError(
                "the next run would begin before the series has ended", field="steps.after"
            )


def _percent(value: object, name: str) -> Decimal:
    share = _number(value, name)
    if not 0 <= share <= 100:  # noqa: PLR2004 - percent
        raise InvalidInputError(f"{value} is no share in percent", field=name)
    return share


def _amount(value: object) -> Decimal:
    amount = _number(value, "budget.amount")
    if amount <= 0:
        raise InvalidInputError("a budget is more than nothing", field="budget.amount")
    return amount


def _number(value: object, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise InvalidInputError(f"'{value}' is no number", field=name)
    return number


def _per_second(pace: Mapping[str, Any]) -> float | None:
    said = [
        float(pace[name]) / seconds
        for name, seconds in (("per_second", 1), ("per_hour", 3600))
        if pace.get(name)
    ]
    return min(said) if said else None
