"""Three executors, one meaning: the reference, the engine and SQL decide alike."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import Connection, create_engine, false

from rules import decide as deciding, fence, reference
from rules.calendars import Day
from rules.decide import DURABLE, LedgerView, Question, decide
from rules.definitions import (
    Cap,
    ChannelPlan,
    Count,
    Counted,
    Digest,
    FactRule,
    Law,
    OnReach,
    Period,
    QuietAction,
    QuietHours,
    Requirement,
    Rule,
    Section,
    Suppression,
    Topic,
    WaitFor,
)
from rules.engine import FencedRules
from rules.fence import program_of
from rules.ir import Ir, Op, Test, every
from rules.language import parse_condition
from rules.limits import MAX_DEFERRING
from rules.phases import Course, free_slot_at
from rules.population import codes, conditions, statements
from rules.population.layers import Column
from rules.population.needs import Run
from rules.population.places import Place
from rules.population.reading import Reader, Summary, way
from rules.questions import EngineAnswer
from rules.reference import Asked
from rules.rulebook import Rulebook
from rules.shards import make_shard
from rules.situations import Tally
from rules.source import Report
from tellal.domain.blocks import Block, BlockOrigin
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.customers import Wishes
from tellal.domain.decisions import Decision
from tellal.domain.errors import RulebookError
from tellal.stack.postgres import Postgres
from tests.rules.populace import COUNTRY, PUSH_TOKEN, Person, source_of
from tests.rules.random_rules import COMPUTED, COMPUTED_CONDITIONS, FACTS, cut

RULEBOOKS, PEOPLE = 60, 40
COMPARED: list[str] = []

Common = Callable[..., dict[str, Any]]
"""Makes up what rules of all sections have."""

INSTANTS = [
    datetime(2026, 3, 2, 12, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 30, 0, 500, tzinfo=UTC),  # clocks go forward in Warsaw
    datetime(2026, 10, 25, 0, 45, tzinfo=UTC),  # and back
    datetime(2026, 3, 8, 6, 59, 59, tzinfo=UTC),  # forward in New York
    datetime(2026, 4, 4, 15, 10, tzinfo=UTC),  # back, by half an hour, on Lord Howe
    datetime(2026, 4, 22, 21, 30, tzinfo=UTC),  # a holiday has begun in Turkey
]
PLACES = [
    Place("Europe/Istanbul", "TR"),
    Place("Europe/Warsaw", "PL"),
    Place("America/New_York", "US"),
    Place("Australia/Lord_Howe", ""),
    Place("Europe/Istanbul", "PL"),
]
_CHANNELS = [Channel.SMS, Channel.EMAIL, Channel.PUSH, Channel.BANNER]
_REASONS = ["no_consent", "refused", "blocked", "x", "y"]
_CLOCKS = [time(0), time(2, 30), time(9), time(21), time(23, 30)]
_SPANS = [timedelta(hours=1), timedelta(hours=30), timedelta(days=7)]
_TEXTS = ["gold", "İş", "ışık", 'a"b', "back\\slash", "çift 😀", "1", "true", "", "%_"]
_NUMBERS = [-3, -1, 0, 1, 2, 3, 2**53, 2**53 + 1, -(2**53) - 1, 2**31, 1.5, 2.0, "3", True, 10**20]
_DATES = ["2026-03-01", "2026-02-30", "2008-03-29", "2008-02-29", "2026-3-1", "0000-01-01", "١"]
_TIMES = [
    "2026-03-02T11:59:00Z",
    "2026-03-29T00:30:00Z",
    "2026-10-24T24:00:00Z",
    "2026-03-02T12:00:60Z",
    "2026-03-28T00:00:00+00:00",
    "2027-01-01T00:00:00Z",
]


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> Iterator[Connection]:
    engine = create_engine(postgres.url_of("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # A zone with changing clocks: SQL must not ask what time it is where the server stands.
        connection.exec_driver_sql("SET timezone TO 'America/New_York'; SET jit TO off")
        yield connection
    engine.dispose()


@settings(
    max_examples=RULEBOOKS,
    phases=(Phase.generate,),  # the statement of a failure is too slow to be made smaller
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_all_executors_decide_alike(connection: Connection, data: st.DataObject, seed: int) -> None:
    chance = random.Random(seed)
    book = a_book(data, chance)
    report = Report()
    program_of(book.shards["offer"], report)
    if report.findings:  # too large for the engine: refused with its place, see test_fence
        return
    compare(connection, book, chance)


def test_two_thousand_decisions_were_compared() -> None:
    """Counts what the test before it did; each was of a random rulebook and a random person."""
    assert len(COMPARED) >= 2_000


def waits_into_a_full_period(book: Rulebook, question: Question) -> bool:
    """Say whether a cap by the calendar is full when the first round of phases lets somebody go."""
    caught: list[bool] = []

    def look(
        course: Course,
        caps: tuple[Asked[Cap], ...],
        fired: frozenset[str],
        asked: Question,
        zone: ZoneInfo,
    ) -> bool:
        caught.extend(
            free_slot_at(one.rule, asked.cap_uses.get(one.rule.id, ()), step.not_before, zone)
            is not None
            for one in caps
            for step in course.steps
            if isinstance(one.rule.window, Period)
            and one.rule.id in fired
            and one.rule.channel in {None, step.channel}
            and step.not_before > asked.at
        )
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deciding, "go_through_late_caps", look)
        decide(book, question)
    return any(caught)


def compare(connection: Connection, book: Rulebook, chance: random.Random) -> None:
    """Decide everybody three times, and assert that all three are one."""
    run = Run(
        at=chance.choice(INSTANTS),
        document={"event.cities": tuple(chance.sample(_TEXTS, 2))} if chance.random() < 0.5 else {},
        down=frozenset(one for one in Channel if chance.random() < 0.05),
        banner=chance.random() < 0.5,
        unplanned=frozenset(one for one in Channel if chance.random() < 0.1),
        withheld=chance.choice(["", "", "", "", "", "", "", *deciding.WITHHELD_WORDS]),
    )
    if chance.random() < 0.2:
        run = replace(run, until=run.at + chance.choice([timedelta(0), *_SPANS]))
    people = [a_person(chance, n, book, run) for n in range(PEOPLE)]
    found = by_sql(connection, book, people, run)
    shard = book.shards["offer"]
    program = program_of(shard, Report()).to_json()
    engine = FencedRules("offer", json.loads(json.dumps(program)))
    for person in people:
        theirs = by_engine(engine, book, person.question)
        decision = decide(book, person.question, theirs)
        assert decision.executor == DURABLE, "the engine and the reference differ"
        assert found[person.id].unsure == waits_into_a_full_period(book, person.question)
        if not found[person.id].unsure:
            COMPARED.append(person.id)
            assert told(found[person.id]) == told(decision)


def by_engine(engine: FencedRules, book: Rulebook, question: Question) -> EngineAnswer:
    """Ask the engine what the reference is asked."""
    shard = book.shards[question.topic]
    document = deciding._prepare(book, question).document
    facts, numbers = engine.ask([document.get(path) for path in shard.fields])
    return EngineAnswer(
        facts=frozenset(facts), fired=frozenset(shard.order[n].rule.id for n in numbers)
    )


def by_sql(
    connection: Connection, book: Rulebook, people: Sequence[Person], run: Run
) -> Mapping[str, Summary]:
    """Decide everybody by one statement; its own first reason and plan must be those of the row."""
    asked = statements.Question(topic="offer", run=run, places=PLACES)
    statement = statements.decisions(book, asked, lambda needs: source_of(people, needs))
    reader, shard = Reader(book, "offer"), book.shards["offer"]
    found, alike = {}, Counter[tuple[object, ...]]()
    for row in connection.execute(statement):
        summary = reader.summary(row)
        hour = row.starts and row.starts.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        alike[row.verdict, row.reason, row.plan, row.begins or "", hour, row.unsure] += 1
        first = summary.reasons[0] if summary.reasons else None
        if row.reason is None:
            assert first is None
        else:
            reason = codes.reason_of(shard, row.reason)
            assert first is not None
            assert (reason.code, reason.rule) == (first.code, first.rule)
        assert way(row.begins) == tuple(step.channel for step in summary.steps[:1])
        found[summary.customer] = summary
    summed = statements.sums(book, asked, lambda needs: source_of(people, needs))
    sums = Counter[tuple[object, ...]]()
    for row in connection.execute(summed):
        key = row.verdict, row.reason, row.plan, (row.way or "")[:1], row.hour, row.unsure
        sums[key] += row.number
    assert sums == alike
    return found


def told(decision: Decision | Summary) -> Mapping[str, object]:
    """Say what of a decision has to be alike, whoever made it."""
    fired, shadow = decision.fired, decision.shadow
    return {
        "verdict": decision.verdict,
        "steps": decision.steps,
        "reasons": [(reason.code, reason.rule) for reason in decision.reasons],
        "fired": [one if isinstance(one, str) else one.rule for one in fired],
        "facts": decision.facts,
        "removed": {ch: (reason.code, reason.rule) for ch, reason in decision.removed.items()},
        "shadow": [one if isinstance(one, str) else one.rule for one in shadow],
    }


def a_book(data: st.DataObject, chance: random.Random) -> Rulebook:
    """Make up a rulebook about one topic: Hypothesis draws the conditions, chance the rest."""
    rules = [*some_facts(data), *some_rules(data, chance)]
    counts = [
        Count(
            id="calls",
            of=Counted.EVENTS,
            within=timedelta(days=1),
            topics=frozenset(),
            types=frozenset({"call"}),
            channel=None,
            file="x.yaml",
            line=1,
        )
    ]
    stop = data.draw(COMPUTED_CONDITIONS) if chance.random() < 0.3 else None
    topic = a_topic(chance, None if stop is None else parse_condition(stop, COMPUTED, FACTS))
    return Rulebook(
        revision="r",
        topics={"offer": topic},
        vocabulary=COMPUTED,
        fact_names=frozenset(FACTS),
        events={},
        rules=tuple(rules),
        counts={count.id: count for count in counts},
        strata=(),
        fact_fields=frozenset(),
        shards={"offer": make_shard(topic, rules, COMPUTED)},
        programs={},
    )


def a_topic(chance: random.Random, stop_when: Ir | None) -> Topic:
    return Topic(
        id="offer",
        means="",
        message_class=chance.choice([MessageClass.SERVICE, MessageClass.COMMERCIAL]),
        lane=Lane.BULK,
        priority=1,
        on=chance.choice([(), ("call",)]),
        once=chance.random() < 0.5,
        content_version=2,
        expires=chance.choice([timedelta(hours=2), timedelta(days=1), timedelta(days=9)]),
        attempts=chance.randint(1, 3),
        every=timedelta(days=1),
        stop_when=stop_when,
        file="x.yaml",
        line=1,
        purposes=chance.choice([(), (), ("news",), ("news", "offers")]),
        digest=chance.choice([None, None, Digest(span=timedelta(hours=1), at=None, most=9)]),
    )


def some_facts(data: st.DataObject) -> Iterator[Rule]:
    for number, one in enumerate(data.draw(st.lists(COMPUTED_CONDITIONS, min_size=3, max_size=5))):
        yield FactRule(
            id=f"f.{number}",
            section=Section.FACTS,
            when=cut(parse_condition(one, COMPUTED, FACTS), FACTS[: number % 3]),
            means="",
            file="x.yaml",
            line=number,
            derives=FACTS[number % 3],
        )


def some_rules(data: st.DataObject, chance: random.Random) -> Iterator[Rule]:
    """Make up rules of every section; most hold for everybody, so that later phases are reached."""

    def common(kind: Section, number: int, *, always: float = 0.8) -> dict[str, Any]:
        name = f"{kind}.{number}"
        when = every(())
        if chance.random() > always:
            when = parse_condition(data.draw(COMPUTED_CONDITIONS), COMPUTED, FACTS)
        begins = date(2026, 3, 29) if chance.random() < 0.1 else None
        there = some_countries(chance) if chance.random() < 0.2 else frozenset[str]()
        outside = frozenset({"PL"}) if chance.random() < 0.1 else frozenset[str]()
        if begins or there or outside:
            when = every([Test(Op.EQ, f"active.{name}", wanted=True), when])
        return {
            "id": name,
            "section": kind,
            "when": when,
            "means": "",
            "file": "x.yaml",
            "line": number,
            "begins": begins,
            "only_in": there,
            "not_in": outside,
            "shadow": chance.random() < 0.1,
        }

    yield from rules_that_stop_or_choose(chance, common)
    yield from rules_that_narrow(chance, common)


def rules_that_stop_or_choose(chance: random.Random, common: Common) -> Iterator[Rule]:
    for n in range(chance.choice([0, 0, 1, 3])):
        yield Suppression(
            **common(Section.SUPPRESS, n, always=0), reason=chance.choice(_REASONS), text="x"
        )
    for n in range(chance.randint(1, 3)):
        yield ChannelPlan(
            **common(Section.CHANNELS, n, always=0.5),
            steps=tuple((channel, timedelta(hours=1)) for channel in some_channels(chance)),
            wait_for=chance.choice(list(WaitFor)),
        )


def rules_that_narrow(chance: random.Random, common: Common) -> Iterator[Rule]:
    for n in range(chance.randint(0, 3)):
        yield Law(
            **common(Section.LAW, n),
            channels=frozenset(some_channels(chance, 2)),
            countries=some_countries(chance),
            reason=chance.choice(_REASONS),
            text="x",
            requires=chance.choice(list(Requirement)),
        )
    for n in range(chance.randint(0, 4)):
        yield Cap(
            **common(Section.CAPS, n),
            limit=chance.randint(1, 3),
            window=chance.choice([*_SPANS, *Period]),
            channel=chance.choice([None, *_CHANNELS]),
            topics=frozenset({"offer"}),
            on_reach=chance.choice([*OnReach, OnReach.DEFER]),
            reason=chance.choice(_REASONS),
            text="x",
        )
    for n in range(chance.randint(0, 4)):
        days = chance.sample(list(Day), 4) if chance.random() < 0.3 else []
        yield QuietHours(
            **common(Section.QUIET_HOURS, n),
            channels=frozenset(some_channels(chance)),
            begin=chance.choice(_CLOCKS),
            end=chance.choice(_CLOCKS),
            timezone=chance.choice(["", "", "Europe/Warsaw"]),
            action=chance.choice([*QuietAction, *[QuietAction.DEFER] * 3]),
            reason=chance.choice(_REASONS),
            text="x",
            days=frozenset(days),
            countries=some_countries(chance),
        )


def some_channels(chance: random.Random, most: int = 4) -> list[Channel]:
    return chance.sample(_CHANNELS, chance.randint(1, most))


def some_countries(chance: random.Random) -> frozenset[str]:
    return chance.choice([frozenset(), frozenset({"TR"}), frozenset({"PL", "US"})])


def a_person(chance: random.Random, number: int, book: Rulebook, run: Run) -> Person:
    """Make somebody whose facts are right, wrong, null or not there at all."""
    place = chance.choice(PLACES)
    kinds: Mapping[str, Sequence[object]] = {
        "customer.segment": _TEXTS,
        "müşteri.şehir": _TEXTS,
        "customer.age": _NUMBERS,
        "customer.visits": _NUMBERS,
        "customer.app": [True, False, 1, "true"],
        "customer.products": [[], ["card"], ["card", "İş"], ["loan", 'a"b'], "card", {"card": 1}],
        "event.cities": [[], ["İş", "gold"], ["1"]],
        "customer.born": _DATES,
        "customer.seen": _TIMES,
        PUSH_TOKEN: [True, False, "x"],
        "consent.sms": ["granted"],
        "count.calls": [7],
    }
    facts = {
        path: None if chance.random() < 0.1 else chance.choice(values)
        for path, values in kinds.items()
        if chance.random() < 0.8
    }
    around = set(Channel) if run.banner else set(Channel) - {Channel.BANNER}
    good = {channel for channel in around if chance.random() < 0.8}
    blocked = {one for one in good - {Channel.BANNER} if chance.random() < 0.15}
    # A banner needs no address: whoever is on a page can see it.
    reachable = good - blocked | (around & {Channel.BANNER})
    document = {path: tuple(v) if isinstance(v, list) else v for path, v in facts.items()}
    document[COUNTRY] = place.country
    if Channel.PUSH in good:
        document[PUSH_TOKEN] = True
    question = Question(
        topic="offer",
        at=run.at,
        timezone=place.timezone,
        document={**document, **run.document},  # type: ignore[dict-item]  # wrong ones are meant
        cap_uses={cap.id: some_uses(chance, run.at) for cap in book.caps_of("offer")},
        consents={one: chance.random() < 0.8 for one in Channel if chance.random() < 0.8},
        reachable=frozenset(reachable),
        blocked=dict.fromkeys(blocked, _BLOCK),
        country=place.country,
        unroutable={one: "no way" for one in good if chance.random() < 0.1},
        down=dict.fromkeys(run.down, "something"),
        unplanned=run.unplanned,
        withheld=run.withheld,
        until=run.until,
        wishes=Wishes(
            service_only=chance.random() < 0.1,
            topics_off=frozenset({"offer"} if chance.random() < 0.05 else {"else"}),
            complained=frozenset({"offer"} if chance.random() < 0.05 else ()),
        ),
        ledger=LedgerView(
            told_version=chance.choice([None, None, None, None, 1, 2]),
            pending=chance.random() < 0.1,
            attempts_made=chance.choice([0, 0, 0, 0, 1, 2]),
        )
        if book.topics["offer"].is_remembered
        else LedgerView(told_version=None, pending=False, attempts_made=0),
        tallies={"calls": Tally(2, run.at - timedelta(seconds=chance.randrange(10**6)))}
        if chance.random() < 0.5
        else {},
    )
    return Person(id=f"{number:04}", facts=facts, question=question)


def some_uses(chance: random.Random, at: datetime) -> tuple[datetime, ...]:
    ago = [timedelta(seconds=chance.randrange(-(10**5), 10**6)) for _ in range(chance.randrange(5))]
    return tuple(at - one for one in ago)


_BLOCK = Block(
    id="b",
    brand_id="b",
    address="x",
    origin=BlockOrigin.CUSTOMER,
    reason="x",
    until=None,
    placed_by="x",
    placed_at=INSTANTS[0],
)


def a_rule_book(*conditions_: object) -> Rulebook:
    """Make a rulebook in which each condition stops the message."""
    rules: list[Rule] = [
        Suppression(
            id=f"r.{number}",
            section=Section.SUPPRESS,
            when=parse_condition(one, COMPUTED, FACTS),
            means="",
            file="x.yaml",
            line=number,
            reason="held",
            text="It held",
        )
        for number, one in enumerate(conditions_)
    ]
    rules.append(
        ChannelPlan(
            id="any",
            section=Section.CHANNELS,
            when=every(()),
            means="",
            file="x.yaml",
            line=1,
            steps=((Channel.SMS, timedelta(hours=1)),),
        )
    )
    topic = a_topic(random.Random(1), None)
    shard = make_shard(topic, rules, COMPUTED)
    return Rulebook(
        revision="r",
        topics={"offer": topic},
        vocabulary=COMPUTED,
        fact_names=frozenset(FACTS),
        events={},
        rules=tuple(rules),
        counts={},
        strata=(),
        fact_fields=frozenset(),
        shards={"offer": shard},
        programs={"offer": program_of(shard, Report())},
    )


_TOLD_APART: list[object] = [
    {"customer.segment": {"not": "gold"}},
    *({"customer.age": {"lte": most}} for most in (-1, 0, 1, 2, 3)),
    {"customer.products": {"has": "card"}},
]


def _careless_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the reference take `at most` for `less than`."""
    right = reference._order

    def wrong(test: Test) -> reference.Check:
        return right(Test(Op.LT, test.path, test.wanted) if test.op is Op.LTE else test)

    monkeypatch.setattr(reference, "_order", wrong)


def _careless_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine be content with any list."""
    right = fence._one

    def wrong(op: Op, path: str, wanted: object) -> dict[str, object]:
        return right(Op.EXISTS if op is Op.HAS else op, path, wanted)

    monkeypatch.setattr(fence, "_one", wrong)


def _careless_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget NULL, as who writes `<>` by hand does."""
    right = conditions._test

    def wrong(test: Test, seen: Column) -> Column:
        return false() if test.op is Op.MISSING else right(test, seen)

    monkeypatch.setattr(conditions, "_test", wrong)


@pytest.mark.parametrize("broken", [_careless_reference, _careless_engine, _careless_sql])
def test_a_mistake_in_one_executor_does_not_pass(
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[pytest.MonkeyPatch], None],
) -> None:
    compare(connection, a_rule_book(*_TOLD_APART), random.Random(7))
    reference.compiled.cache_clear()
    try:
        broken(monkeypatch)
        book = a_rule_book(*_TOLD_APART)
        with pytest.raises(AssertionError):
            compare(connection, book, random.Random(7))
    finally:
        reference.compiled.cache_clear()


def test_what_one_statement_cannot_hold_is_refused() -> None:
    quiet = [
        QuietHours(
            id=f"q.{number}",
            section=Section.QUIET_HOURS,
            when=every(()),
            means="",
            file="x.yaml",
            line=number,
            channels=frozenset(Channel),
            begin=time(21),
            end=time(9),
            timezone="",
            action=QuietAction.DEFER,
            reason="x",
            text="x",
        )
        for number in range(MAX_DEFERRING + 1)
    ]
    book = a_rule_book()
    shard = make_shard(book.topics["offer"], [*book.rules, *quiet], COMPUTED)
    large = Rulebook(**{**vars_of(book), "shards": {"offer": shard}})
    asked = statements.Question(topic="offer", run=Run(at=INSTANTS[0]), places=PLACES)

    with pytest.raises(RulebookError, match=f"{MAX_DEFERRING + 1} quiet hours that defer"):
        statements.decisions(large, asked, lambda needs: source_of([], needs))


def vars_of(book: Rulebook) -> dict[str, Any]:
    """Return the parts of a rulebook."""
    return {name: getattr(book, name) for name in Rulebook.__dataclass_fields__}
