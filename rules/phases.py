"""The phases after the rules were asked: each may only narrow what the one before it left."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rules.definitions import Cap, Law, OnReach, QuietAction, QuietHours, Rule, WaitFor
from rules.periods import next_period, period_of
from rules.questions import Question
from rules.quiet import latest_end, quiet_until
from rules.reference import Asked
from rules.shards import Shard
from tellal.domain.blocks import BlockOrigin
from tellal.domain.channels import Channel
from tellal.domain.decisions import CapUse, PlanStep, Reason

ADDRESS_WORDS: Mapping[Channel, str] = {
    Channel.SMS: "There is no usable mobile number",
    Channel.EMAIL: "There is no usable e-mail address",
    Channel.PUSH: "There is no live push token",
    Channel.WHATSAPP: "There is no usable WhatsApp number",
    Channel.CALL: "There is no usable number to call",
    Channel.BANNER: "He is on no page that can show a banner",
}

NOT_PLANNED = Reason(code="channel_not_planned", text="It is not planned to go over this channel")

_BLOCK_WORDS: Mapping[BlockOrigin, str] = {
    BlockOrigin.INSTITUTION: "The institution has blocked the address",
    BlockOrigin.CUSTOMER: "The customer wants nothing sent to the address",
}


@dataclass(slots=True, kw_only=True)
class Course:
    """A plan on its way through the phases."""

    steps: list[PlanStep]
    fired: dict[str, Rule] = field(default_factory=dict)
    removed: dict[Channel, Reason] = field(default_factory=dict)
    delays: list[Reason] = field(default_factory=list)
    stops: list[Reason] = field(default_factory=list)

    def remove(self, channel: Channel, reason: Reason) -> None:
        """Take a channel away; the first reason stays."""
        self.steps = [step for step in self.steps if step.channel is not channel]
        self.removed.setdefault(channel, reason)

    def defer(self, channel: Channel, until: datetime) -> None:
        """Let a channel wait; the latest instant wins."""
        self.steps = [
            PlanStep(
                channel=channel, not_before=max(until, step.not_before), patience=step.patience
            )
            if step.channel is channel
            else step
            for step in self.steps
        ]

    def note(self, rule: Rule) -> None:
        """Record a rule that had an effect."""
        self.fired.setdefault(rule.id, rule)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that are left, in their order."""
        return tuple(step.channel for step in self.steps)


def go_through_law(
    course: Course, laws: tuple[Asked[Law], ...], fired: frozenset[str], question: Question
) -> None:
    """Remove channels without consent, forbidden or failed ones, without address, not planned."""
    for asked in laws:
        law = asked.rule
        if law.id not in fired:
            continue
        for channel in course.channels:
            reason = _offence(law, channel, question)
            if reason is not None:
                course.remove(channel, reason)
                course.note(law)
    for why in (_no_way, _silence, _not_planned):
        for channel in course.channels:
            reason = why(channel, question)
            if reason is not None:
                course.remove(channel, reason)


def go_through_caps(
    course: Course,
    caps: tuple[Asked[Cap], ...],
    fired: frozenset[str],
    question: Question,
    zone: ZoneInfo,
) -> None:
    """Apply every full cap; the strictest wins, since all of them are applied."""
    for asked in caps:
        cap = asked.rule
        hit = [c for c in course.channels if cap.channel in {None, c}]
        if cap.id not in fired or not hit:
            continue
        free_at = free_slot_at(cap, question.cap_uses.get(cap.id, ()), question.at, zone)
        if free_at is None:
            continue
        for channel in hit:
            _reach(course, cap, channel, free_at, _who_holds(cap, question, question.at, zone))


def go_through_late_caps(
    course: Course,
    caps: tuple[Asked[Cap], ...],
    fired: frozenset[str],
    question: Question,
    zone: ZoneInfo,
) -> bool:
    """Apply caps to what waits as of the instant at which it may go; say whether any was full.

    Only periods of the calendar can be free now and full then: whatever waits for quiet hours to
    end may come into a period whose slots are promised already.
    """
    full = False
    for asked in caps:
        cap = asked.rule
        if cap.id not in fired or isinstance(cap.window, timedelta):
            continue
        for step in tuple(course.steps):
            if cap.channel not in {None, step.channel} or step.not_before <= question.at:
                continue
            then = step.not_before
            free_at = free_slot_at(cap, question.cap_uses.get(cap.id, ()), then, zone)
            if free_at is not None:
                full = True
                topics = _who_holds(cap, question, then, zone)
                _reach(course, cap, step.channel, free_at, topics)
    return full and not course.stops


def go_through_time(
    course: Course,
    rules: tuple[Asked[QuietHours], ...],
    fired: frozenset[str],
    place: tuple[ZoneInfo, str],
    expires_at: datetime,
) -> None:
    """Apply quiet hours, and drop what would come too late; the place is the customer's."""
    zone, country = place
    in_force = tuple(
        asked.rule for asked in rules if asked.rule.id in fired and asked.rule.binds(country)
    )
    for step in tuple(course.steps):
        mine = tuple(rule for rule in in_force if step.channel in rule.channels)
        _keep_quiet(course, step, mine, zone, country)
    for step in tuple(course.steps):
        if step.not_before >= expires_at:
            text = f"It may not go before {step.not_before:%Y-%m-%d %H:%M} UTC, when it has expired"
            course.remove(step.channel, Reason(code="expires_before_allowed", text=text))


def begin_with(course: Course, wait_for: WaitFor) -> None:
    """Choose the channel that a plan begins with; the others follow in their order."""
    if wait_for is WaitFor.ANY and course.steps:
        soonest = min(course.steps, key=lambda step: step.not_before)
        course.steps = [soonest, *(step for step in course.steps if step is not soonest)]


def uses(shard: Shard, channels: tuple[Channel, ...]) -> tuple[CapUse, ...]:
    """Return the slots that sending over these channels would take."""
    return tuple(
        CapUse(cap=asked.rule.id, channel=channel)
        for asked in shard.caps
        for channel in channels
        if asked.rule.channel in {None, channel}
    )


def _reach(
    course: Course, cap: Cap, channel: Channel, free_at: datetime, topics: tuple[str, ...]
) -> None:
    """Do to a channel what a full cap says, and name the topics that have the slots."""
    course.note(cap)
    text = f"{cap.text} (taken by {', '.join(topics)})" if topics else cap.text
    reason = cap.because(cap.reason, text)
    match cap.on_reach:
        case OnReach.SUPPRESS:
            if reason not in course.stops:
                course.stops.append(reason)
        case OnReach.DEFER:
            course.defer(channel, free_at)
            if reason not in course.delays:
                course.delays.append(reason)
        case OnReach.NEXT_CHANNEL:
            course.remove(channel, reason)


def _who_holds(cap: Cap, question: Question, at: datetime, zone: ZoneInfo) -> tuple[str, ...]:
    """Name the topics whose messages hold the slots of a cap that count at an instant."""
    held = zip(
        question.cap_uses.get(cap.id, ()), question.cap_holders.get(cap.id, ()), strict=False
    )
    if isinstance(cap.window, timedelta):
        window = cap.window
        counting = [topic for used, topic in held if used + window > at]
    else:
        begin, end = period_of(cap.window, at, zone)
        counting = [topic for used, topic in held if begin <= used < end]
    return tuple(dict.fromkeys(counting))


def _offence(law: Law, channel: Channel, question: Question) -> Reason | None:
    if channel not in law.channels or (law.countries and question.country not in law.countries):
        return None
    return law.offence(agreed=question.consents.get(channel))


def _no_way(channel: Channel, question: Question) -> Reason | None:
    """Say why nothing gets through on a channel, whoever the person is."""
    if channel in question.unroutable:
        return Reason(code="route_forbidden", text=question.unroutable[channel])
    if channel in question.down:
        text = f"The channel depends on what has failed: {question.down[channel]}"
        return Reason(code="channel_down", text=text)
    return None


def _silence(channel: Channel, question: Question) -> Reason | None:
    """Say why the person has no address of a channel at which he can be reached."""
    if channel in question.reachable:
        return None
    block = question.blocked.get(channel)
    if block is None:
        return Reason(code="no_address", text=ADDRESS_WORDS[channel])
    return Reason(code="blocked", text=f"{_BLOCK_WORDS[block.origin]}: {block.reason}")


def _not_planned(channel: Channel, question: Question) -> Reason | None:
    return NOT_PLANNED if channel in question.unplanned else None


def free_slot_at(
    cap: Cap, uses: tuple[datetime, ...], at: datetime, zone: ZoneInfo
) -> datetime | None:
    """Return when the next slot of a cap gets free, None if one is free now."""
    if isinstance(cap.window, timedelta):
        taken = sorted(used + cap.window for used in uses if used + cap.window > at)
        return taken[-cap.limit] if len(taken) >= cap.limit else None
    begin, end = period_of(cap.window, at, zone)
    free: datetime | None = None
    while sum(begin <= used < end for used in uses) >= cap.limit:
        free = begin = end
        end = next_period(cap.window, begin, zone)
    return free


def _keep_quiet(
    course: Course, step: PlanStep, rules: tuple[QuietHours, ...], zone: ZoneInfo, country: str
) -> None:
    for rule in rules:
        if quiet_until(rule, step.not_before, zone, country) is None:
            continue
        course.note(rule)
        reason = rule.because(rule.reason, rule.text)
        if rule.action is QuietAction.SUPPRESS:
            course.stops.append(reason)
        elif rule.action is QuietAction.NEXT_CHANNEL:
            course.remove(step.channel, reason)
    deferring = tuple(rule for rule in rules if rule.action is QuietAction.DEFER)
    course.defer(step.channel, latest_end(deferring, step.not_before, zone, country))
