"""Decides one question: the engine and the reference answer, the phases draw the conclusion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from rules import explain
from rules.definitions import Requirement, Topic, WaitFor
from rules.phases import (
    Course,
    begin_with,
    go_through_caps,
    go_through_late_caps,
    go_through_law,
    go_through_time,
    uses,
)
from rules.questions import Engine, EngineAnswer, LedgerView, Question
from rules.reference import derived
from rules.rulebook import Rulebook
from rules.shards import Shard
from rules.situations import Situation, zone_of
from rules.vocabulary import moderate
from tellal.domain.channels import MessageClass
from tellal.domain.decisions import Decision, PlanStep, Reason, Value, Verdict
from tellal.domain.errors import InvalidInputError

__all__ = ["Alike", "Decider", "LedgerView", "Question", "decide", "seen"]

REFERENCE = "reference"
DURABLE = "durable_rules"

_RANK = (
    "refused",
    "blocked",
    "no_consent",
    "channel_not_planned",
    "route_forbidden",
    "channel_down",
    "no_address",
)
"""Of several reasons why no channel is left, the one that tells most; rules' own come after."""


UNWANTED_WORDS: Mapping[str, str] = {
    "complained": "He has complained of messages about this",
    "topic_off": "He has turned messages about this off",
    "service_only": "He wants service messages only",
}

WITHHELD_WORDS: Mapping[str, str] = {
    "told_already": "He was told of this already, on another occasion",
    "still_affected": "Something else still affects him",
    "sender_incomplete": "The brand's profile lacks what a commercial message must say of it",
    "variable_missing": "The text would say something of him that is not known",
    "hold_out": "He is told nothing, so that those who are told can be compared with somebody",
    "converted": "What it asks for has happened before it was said",
}


def rank(code: str) -> int:
    """Say how early a reason stands among those why no channel is left."""
    return _RANK.index(code) if code in _RANK else len(_RANK)


def over_at(topic: Topic, at: datetime, until: datetime | None) -> datetime:
    """Return when a message of a topic has lost its use, if it is decided about at an instant."""
    expires_at = at + topic.expires
    return expires_at if until is None else max(at, min(expires_at, until))


class Decider:
    """Asks the engine, and the reference beside it; where they differ the reference wins."""

    def __init__(self, engine: Engine | None) -> None:
        self._engine = engine

    async def decide(self, book: Rulebook, question: Question) -> Decision:
        """Decide a question.

        Raises:
            InvalidInputError: The rulebook has no such topic, or there is no such time zone.
        """
        asking = _prepare(book, question)
        theirs = None
        if self._engine is not None:
            theirs = await self._engine.evaluate(book.revision, question.topic, asking.document)
            if theirs is None:
                self._engine.prepare(book)
        ours = _reference(asking)
        agreed = theirs == ours
        if self._engine is not None and theirs is not None and not agreed:
            self._engine.note_difference(question.topic)
        return _conclude(asking, ours, DURABLE if agreed else REFERENCE)


def decide(book: Rulebook, question: Question, fired: EngineAnswer | None = None) -> Decision:
    """Decide a question by the reference; `fired` is an engine's answer to compare with.

    Raises:
        InvalidInputError: The rulebook has no such topic, or there is no such time zone.
    """
    asking = _prepare(book, question)
    ours = _reference(asking)
    return _conclude(asking, ours, DURABLE if fired == ours else REFERENCE)


class Alike:
    """Decides many questions about a topic by the reference; those that are alike share an answer.

    A decision shows what its rules read, with personal values masked. Two questions are alike if
    the same rules held, all that is shown is the same, the tests of masked values came out the
    same, and so is everything besides the documents. Their decisions are the same to the letter.

    Raises:
        InvalidInputError: The rulebook has no such topic.
    """

    def __init__(self, book: Rulebook, topic: str) -> None:
        shard = book.shards.get(topic)
        if shard is None:
            raise InvalidInputError(f"the rulebook has no topic '{topic}'", field="topic")
        self._book = book
        self._hidden = explain.hidden(shard.order, shard.personal)
        self._decided: dict[object, Decision] = {}

    def decide(self, question: Question, around: str) -> Decision:
        """Decide a question; `around` writes all of it besides the document.

        Raises:
            InvalidInputError: There is no such time zone.
        """
        asking = _prepare(self._book, question)
        shard, document, ours = asking.shard, asking.document, _reference(asking)
        shown = explain.read(shard.told, document, shard.personal)
        tests = tuple(check(document, ours.facts) for check in self._hidden)
        key = around, ours.facts, ours.fired, tuple(shown.values()), tests
        found = self._decided.get(key)
        if found is None:
            found = self._decided[key] = _conclude(asking, ours, REFERENCE)
        return found


def seen(book: Rulebook, question: Question) -> tuple[Mapping[str, Value], EngineAnswer]:
    """Return the document as the rules see it, and which of them hold for it.

    Raises:
        InvalidInputError: The rulebook has no such topic, or there is no such time zone.
    """
    asking = _prepare(book, question)
    return asking.document, _reference(asking)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    book: Rulebook
    shard: Shard
    question: Question
    zone: ZoneInfo
    document: Mapping[str, Value]


def _prepare(book: Rulebook, question: Question) -> _Asking:
    shard = book.shards.get(question.topic)
    if shard is None:
        raise InvalidInputError(f"the rulebook has no topic '{question.topic}'", field="topic")
    zone = zone_of(question.timezone)
    stored = question.document
    document = {
        path: value
        for path, kind in shard.readable
        if type(value := stored.get(path)) is kind
        and value != ()
        and (kind is not int or moderate(value))
    }
    if shard.bounds:
        today = question.at.astimezone(zone).date()
        document.update(shard.bounds.on(today, question.country))
    if shard.derivable:
        situation = Situation(
            at=question.at,
            zone=zone,
            country=question.country,
            consents=question.consents,
            tallies=question.tallies,
        )
        document.update(shard.derivable.complete(stored, situation))
    return _Asking(book=book, shard=shard, question=question, zone=zone, document=document)


def _reference(asking: _Asking) -> EngineAnswer:
    document = asking.document
    facts, held = derived(asking.shard.strata, document)
    fired = [rule.id for rule in held]
    fired += [name for name, check in asking.shard.checks if check(document, facts)]
    return EngineAnswer(facts=frozenset(facts), fired=frozenset(fired))


def _conclude(asking: _Asking, answer: EngineAnswer, executor: str) -> Decision:
    shard, question = asking.shard, asking.question
    expires_at = over_at(shard.topic, question.at, question.until)
    course = _course(asking, answer, expires_at)
    reasons = _reasons(course)
    verdict = Verdict.SUPPRESS
    if not course.stops and course.steps:
        later = course.steps[0].not_before > question.at
        verdict = Verdict.DEFER if later else Verdict.SEND
        reasons = tuple(course.stops)
    steps = () if verdict is Verdict.SUPPRESS else tuple(course.steps)
    return Decision(
        topic=shard.topic.id,
        message_class=shard.topic.message_class,
        lane=shard.topic.lane,
        verdict=verdict,
        at=question.at,
        steps=steps,
        expires_at=expires_at,
        reasons=reasons,
        delays=tuple(course.delays) if verdict is Verdict.DEFER else (),
        fired=tuple(rule.fired for rule in course.fired.values()),
        facts=tuple(sorted(answer.facts)),
        read=explain.read(shard.told, asking.document, shard.personal),
        removed=dict(course.removed),
        cap_uses=uses(shard, tuple(step.channel for step in steps)),
        passed=(*_passed(shard, question), *_overruled(shard, question, answer.fired, steps)),
        shadow=tuple(rule.fired for rule in shard.shadow if rule.id in answer.fired),
        trace=explain.trace(shard.order, asking.document, answer.facts, answer.fired),
        revision=asking.book.revision,
        executor=executor,
    )


def _course(asking: _Asking, answer: EngineAnswer, expires_at: datetime) -> Course:
    """Go through the phases; a phase that stops everything is the last."""
    shard, question, fired = asking.shard, asking.question, answer.fired
    course = Course(steps=[])
    for stratum in shard.strata:
        for rule in (asked.rule for asked in stratum):
            if rule.id in fired:
                course.note(rule)
    _suppress(course, shard, question, fired)
    if course.stops:
        return course
    wait_for = _choose(course, shard, question, fired)
    if course.stops:
        return course
    go_through_law(course, shard.law, fired, question)
    go_through_caps(course, shard.caps, fired, question, asking.zone)
    if not course.stops:
        place = asking.zone, question.country
        go_through_time(course, shard.quiet_hours, fired, place, expires_at)
        # Each round lets a channel wait for a later period, or ends: it is over after the last use.
        while go_through_late_caps(course, shard.caps, fired, question, asking.zone):
            go_through_time(course, shard.quiet_hours, fired, place, expires_at)
    begin_with(course, wait_for)
    return course


def _suppress(course: Course, shard: Shard, question: Question, fired: frozenset[str]) -> None:
    """Collect every reason to say nothing: the broadcast's, the rules', the ledger's."""
    if question.withheld:
        text = WITHHELD_WORDS[question.withheld]
        course.stops.append(Reason(code=question.withheld, text=text))
    for asked in shard.suppress:
        if asked.rule.id in fired:
            course.note(asked.rule)
            course.stops.append(asked.rule.because(asked.rule.reason, asked.rule.text))
    topic, ledger = shard.topic, question.ledger
    unwanted = question.wishes.against(topic.id, topic.message_class)
    if unwanted:
        course.stops.append(Reason(code=unwanted, text=UNWANTED_WORDS[unwanted]))
    told = ledger.told_version
    if topic.once and told is not None and told >= topic.content_version:
        text = f"He was told version {told} of this already"
        course.stops.append(Reason(code="already_told", text=text))
    for rule in (asked.rule for asked in shard.stop):
        if rule.id in fired and ledger.attempts_made > 0:
            course.note(rule)
            course.stops.append(rule.because("converted", "What it asks for has happened"))
    if ledger.pending:
        text = "A message about this is on its way to him"
        course.stops.append(Reason(code="already_pending", text=text))
    if not topic.once and topic.is_remembered and ledger.attempts_made >= topic.attempts:
        text = f"He was asked {ledger.attempts_made} times, and {topic.attempts} are allowed"
        course.stops.append(Reason(code="attempts_exhausted", text=text))


def _passed(shard: Shard, question: Question) -> tuple[Reason, ...]:
    """Say what he wishes of a message that the law orders to be told all the same."""
    topic = shard.topic
    if topic.message_class is not MessageClass.MANDATORY:
        return ()
    wish = question.wishes.about(topic.id, topic.message_class)
    text = f"{UNWANTED_WORDS[wish]}; the law orders it to be told" if wish else ""
    return (Reason(code=wish, text=text),) if wish else ()


def _overruled(
    shard: Shard, question: Question, fired: frozenset[str], steps: Sequence[PlanStep]
) -> tuple[Reason, ...]:
    """Say whose refusal does not bind, since a row of the law leaves nothing to oppose."""
    refused = [step.channel for step in steps if question.consents.get(step.channel) is False]
    rows = [asked.rule for asked in shard.law if asked.rule.requires is Requirement.NOTHING]
    return tuple(
        row.because("refused", f"The customer has refused {channel}; {row.text}")
        for row in rows
        if row.id in fired
        for channel in refused
    )


def _choose(course: Course, shard: Shard, question: Question, fired: frozenset[str]) -> WaitFor:
    """Take the first channels rule that holds, and say which of its channels it waits for."""
    for asked in shard.channels:
        if asked.rule.id in fired:
            course.note(asked.rule)
            course.steps = [
                PlanStep(channel=channel, not_before=question.at, patience=patience)
                for channel, patience in asked.rule.steps
            ]
            return asked.rule.wait_for
    course.stops.append(Reason(code="no_channel", text="No channels rule holds for him"))
    return WaitFor.FIRST


def _reasons(course: Course) -> tuple[Reason, ...]:
    """Order the reasons of a silence, the most telling first."""
    removed: dict[str, Reason] = {}
    for reason in course.removed.values():
        removed.setdefault(f"{reason.code} {reason.rule}", reason)
    ranked = sorted(
        removed.values(),
        key=lambda one: rank(one.code),
    )
    return (*course.stops, *ranked) if course.stops else tuple(ranked)
