"""Cuts a rulebook into one shard per topic: only what can matter to a topic is ever asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from rules.calendars import CALENDAR
from rules.definitions import (
    ACTIVE,
    Cap,
    ChannelPlan,
    FactRule,
    Law,
    QuietHours,
    Rule,
    Section,
    Suppression,
    Topic,
)
from rules.explain import Explained, explained
from rules.ir import ALWAYS, NEVER, Ir, facts_of, fields_of, given
from rules.measures import measure_of
from rules.names import (
    BASIS,
    CLASS,
    CONSENT,
    CONTENT,
    COUNT,
    LAST,
    PRODUCT,
    PROMOTES,
    TOPIC,
)
from rules.reference import Asked, Check, Strata, compiled
from rules.situations import Derivable, derivable
from rules.source import LAW
from rules.vocabulary import PythonType, Vocabulary
from tellal.domain.channels import MessageClass

Kind = TypeVar("Kind", bound=Rule)

_REMEMBERED = 1_000
_COMPUTED = (CONSENT, COUNT, LAST, CALENDAR)


class Bounds:
    """Says which of some rules are in force; of one day and country that is worked out once."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.active: rule for rule in rules}
        self._known: dict[tuple[date, str], Mapping[str, bool]] = {}

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._rules)

    def on(self, day: date, country: str) -> Mapping[str, bool]:
        """Return what a document says of them on a customer's day, where he lives."""
        found = self._known.get((day, country))
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = {
                path: True for path, rule in self._rules.items() if rule.in_force(day, country)
            }
            self._known[day, country] = found
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Everything that is asked about one topic, in the order of the phases.

    `order` has every rule of the shard, facts first; `fields` is all that they read, `readable`
    those of them that a document may hold, with their types, `derivable` those that are computed,
    `told` those that a decision shows; `bounds` says which of `dated` are in force;
    `checks` are the rules that derive no fact; `shadow` has no effect.
    """

    topic: Topic
    constants: Mapping[str, str]
    fields: tuple[str, ...]
    readable: tuple[tuple[str, PythonType], ...]
    personal: frozenset[str]
    strata: Strata
    stop: tuple[Asked[Rule], ...]
    suppress: tuple[Asked[Suppression], ...]
    channels: tuple[Asked[ChannelPlan], ...]
    law: tuple[Asked[Law], ...]
    caps: tuple[Asked[Cap], ...]
    quiet_hours: tuple[Asked[QuietHours], ...]
    shadow: tuple[Rule, ...]
    order: tuple[Explained[Rule], ...]
    derivable: Derivable
    checks: tuple[tuple[str, Check], ...]
    dated: tuple[Rule, ...]
    bounds: Bounds
    told: tuple[str, ...]


def make_shard(topic: Topic, rules: Sequence[Rule], vocabulary: Vocabulary) -> Shard:
    """Keep of the rules what can hold for a topic."""
    known = vocabulary.fields
    personal = frozenset(path for path, field in known.items() if field.pii)
    personal |= _measured((path for rule in rules for path in fields_of(rule.when)), personal)
    constants = {TOPIC: topic.id, CLASS: topic.message_class.value}
    known_of_it = {**constants, **_law_reads(topic)}
    spoken = [rule.for_topic(topic) if isinstance(rule, Law) else rule for rule in rules]
    asked_of = (_asked(rule, known_of_it, personal) for rule in spoken)
    fit = [asked for asked in asked_of if asked is not None]
    fit = [asked for asked in fit if _concerns(asked.rule, topic)]
    stop = () if topic.stop_when is None else (_stop(topic, constants, personal),)
    others = [*stop, *(asked for asked in fit if not isinstance(asked.rule, FactRule))]
    strata = _needed(
        stratify(only(fit, FactRule)), {name for asked in others for name in facts_of(asked.when)}
    )
    needed = [asked.rule.id for stratum in strata for asked in stratum]
    facts = {asked.rule.id: asked for asked in fit if isinstance(asked.rule, FactRule)}
    order = (*(facts[name] for name in needed), *others)
    fields = sorted({path for asked in order for path in fields_of(asked.when)})
    dated = tuple(asked.rule for asked in order if asked.rule.bounded)
    return Shard(
        topic=topic,
        constants=constants,
        fields=tuple(fields),
        readable=tuple(
            (path, known[path].kind)
            for path in fields
            if path in known and not path.startswith(_COMPUTED)
        ),
        personal=personal,
        strata=strata,
        stop=stop,
        suppress=only(fit, Suppression),
        channels=only(fit, ChannelPlan),
        law=only(fit, Law),
        caps=only(fit, Cap),
        quiet_hours=only(fit, QuietHours),
        shadow=tuple(asked.rule for asked in others if asked.rule.shadow),
        order=order,
        derivable=derivable(frozenset(fields)),
        checks=tuple((asked.rule.id, asked.check) for asked in others),
        dated=dated,
        bounds=Bounds(dated),
        told=tuple(path for path in fields if not path.startswith(f"{ACTIVE}{LAW}")),
    )


def only(fit: Iterable[Asked[Rule]], kind: type[Kind]) -> tuple[Asked[Kind], ...]:
    """Return the rules of one kind that have their effect."""
    return tuple(
        Asked(asked.rule, asked.when, asked.check)
        for asked in fit
        if isinstance(asked.rule, kind) and not asked.rule.shadow
    )


def stratify(rules: Sequence[Asked[FactRule]]) -> Strata:
    """Order fact rules so that each reads only facts of earlier strata.

    Rules that read each other in a circle are left out; `circles` names them.
    """
    level: dict[str, int] = {}
    waiting = _readings(rules)
    while ready := [name for name, reads in waiting.items() if reads <= level.keys()]:
        for name in ready:
            level[name] = 1 + max((level[read] for read in waiting[name]), default=-1)
        waiting = {name: reads for name, reads in waiting.items() if name not in level}
    height = 1 + max(level.values(), default=-1)
    return tuple(
        tuple(asked for asked in rules if level.get(asked.rule.derives) == number)
        for number in range(height)
    )


def circles(rules: Sequence[Asked[FactRule]]) -> frozenset[str]:
    """Return the facts that can never be derived because they wait for each other."""
    ordered = {asked.rule.derives for stratum in stratify(rules) for asked in stratum}
    return frozenset(asked.rule.derives for asked in rules) - ordered


def reads_counts(when: Ir) -> bool:
    """Say whether a condition asks how often something happened, or when last."""
    return any(path.startswith((COUNT, LAST)) for path in fields_of(when))


def counting_facts(strata: Strata) -> frozenset[str]:
    """Return the facts that depend on a count."""
    found: set[str] = set()
    for stratum in strata:
        found |= {
            asked.rule.derives
            for asked in stratum
            if reads_counts(asked.when) or found & facts_of(asked.when)
        }
    return frozenset(found)


def as_asked(rules: Iterable[FactRule]) -> tuple[Asked[FactRule], ...]:
    """Return fact rules as they are asked when no topic is fixed."""
    return tuple(Asked(rule, rule.when, compiled(rule.when)) for rule in rules)


def _readings(rules: Sequence[Asked[FactRule]]) -> dict[str, set[str]]:
    derivable = {asked.rule.derives for asked in rules}
    readings: dict[str, set[str]] = {}
    for asked in rules:
        # A fact that no rule left here derives does not hold, and nothing waits for it.
        readings.setdefault(asked.rule.derives, set()).update(facts_of(asked.when) & derivable)
    return readings


def _law_reads(topic: Topic) -> Mapping[str, str | None]:
    """Return what the law, and no other rule, may ask of a topic."""
    return {
        BASIS: topic.basis or None,
        CONTENT: topic.content or None,
        PRODUCT: topic.product or None,
        PROMOTES: "yes" if topic.promotes else "no",
    }


def _asked(
    rule: Rule, known: Mapping[str, str | None], personal: frozenset[str]
) -> Explained[Rule] | None:
    left = given(rule.when, known)
    if left == NEVER:
        return None
    # Who claims a basis wants to know what it failed by; else nobody asks why he is no merchant.
    near = not rule.of_pack or known[BASIS] is not None
    return explained(rule, left, personal, near=near)


def _measured(fields: Iterable[str], personal: frozenset[str]) -> frozenset[str]:
    """Return the measures of personal fields, which are personal as well."""
    return frozenset(
        path for path in fields if (one := measure_of(path)) is not None and one.of in personal
    )


def _concerns(rule: Rule, topic: Topic) -> bool:
    if isinstance(rule, Cap):
        return topic.id in rule.topics and topic.message_class is not MessageClass.MANDATORY
    if isinstance(rule, QuietHours):
        return topic.message_class is not MessageClass.MANDATORY
    return True


def _stop(topic: Topic, constants: Mapping[str, str], personal: frozenset[str]) -> Explained[Rule]:
    rule = Rule(
        id=f"{topic.id}.stop_when",
        section=Section.TOPICS,
        when=topic.stop_when or ALWAYS,
        means="what the message asks for has happened",
        file=topic.file,
        line=topic.line,
    )
    return explained(rule, given(rule.when, constants), personal)


def _needed(strata: Strata, wanted: set[str]) -> Strata:
    """Leave out the facts that nobody in the shard asks for."""
    wanted = set(wanted)
    kept = []
    for stratum in reversed(strata):
        keep = tuple(asked for asked in stratum if asked.rule.derives in wanted)
        wanted |= {name for asked in keep for name in facts_of(asked.when)}
        kept.append(keep)
    return tuple(stratum for stratum in reversed(kept) if stratum)
