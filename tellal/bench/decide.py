"""`tellal bench decide`: decisions per second beside a bare loop of durable_rules.

Both answer the same rules about the same documents in the same run, in turns. Ours is everything
that a server does for a decision: the engine in its process, the reference beside it, the phases
and the explanation. The baseline asserts a fact, collects what fired and retracts it, no more.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from rules.decide import Decider, Question
from rules.engine import MessageNotHandledException, RuleEngine, TimerlessHost
from rules.rulebook import Rulebook, load_rulebook
from tellal.domain.channels import Channel
from tellal.domain.decisions import Decision, Value

SIZES = (30, 300)
SPREAD_SIZES = (30, 300, 1000)
"""Rules of a whole book, thirty to a topic: the last at half the speed of the first at least."""
_SPREAD_DOCUMENTS = 240
_ROUNDS = 15
_DOCUMENTS = {30: 600, 300: 120}
_AT_ONCE = 24
_FIELDS = 24
_VALUES = 18
_LISTED = 2
"""A bare ruleset hangs beyond 512 different tests, and fails when 65 of them hold at once."""
_SEED = 20_261_123
_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
_TOPIC = "bench"

Document = dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    attribute: str
    values: tuple[str, ...]
    counter: str
    below: int


@dataclass(slots=True, kw_only=True)
class _Measured:
    """Decisions per second of each round and side, and the latencies of ours."""

    ours: list[float] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median round's: what else the machine did meanwhile spoils some rounds, not all."""
        return median(ours / bare for ours, bare in zip(self.ours, self.baseline, strict=True))


def run() -> dict[str, object]:
    """Measure rulesets of 30 and of 300 rules on one topic, and books of up to 1,000 on many."""
    return asyncio.run(_run())


async def _run() -> dict[str, object]:
    ours: dict[str, object] = {}
    baseline: dict[str, object] = {}
    ratios = []
    for size in SIZES:
        engine = RuleEngine()
        await engine.start()
        try:
            measured = await _measure(size, engine)
        finally:
            await engine.close()
        per_hundred = quantiles(measured.latencies, n=100)
        ours[f"per_second_{size}"] = round(median(measured.ours))
        ours[f"p50_{size}_s"] = round(per_hundred[49], 6)
        ours[f"p99_{size}_s"] = round(per_hundred[98], 6)
        ours[f"by_reference_{size}"] = engine.counters.asked - engine.counters.answered
        ours[f"differed_{size}"] = engine.counters.differed
        baseline[f"per_second_{size}"] = round(median(measured.baseline))
        ratios.append(measured.ratio)
        ours[f"ratio_{size}"] = round(measured.ratio, 3)
    ours |= await _measure_spread()
    return {"bench": "decide", "ratio": round(min(ratios), 3), "ours": ours, "baseline": baseline}


async def _measure(size: int, engine: RuleEngine) -> _Measured:
    chance = random.Random(_SEED)  # noqa: S311 - the same rules in every run, no secret
    rules = [_a_rule(chance) for _ in range(size)]
    documents = [_a_document(chance) for _ in range(_DOCUMENTS[size])]
    book = _a_book({_TOPIC: rules})
    bare = _Bare(rules)
    await engine.load(book)
    decider = Decider(engine)
    measured = _Measured()
    await _warm_up(decider, book, bare, documents)
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        fired = [bare.decide(document) for document in documents]
        middle = time.perf_counter()
        decisions = await _decide_all(decider, book, documents, measured)
        measured.ours.append(len(documents) / (time.perf_counter() - middle))
        measured.baseline.append(len(documents) / (middle - began))
        _compare(decisions, fired)
    return measured


async def _measure_spread() -> dict[str, object]:
    """Measure books of many topics, thirty rules each: a message pays for its own topic's only.

    The books are asked in turns, in slices small enough for the machine to be the same for all.
    """
    chance = random.Random(_SEED)  # noqa: S311 - the same rules in every run, no secret
    documents = [_a_document(chance) for _ in range(_SPREAD_DOCUMENTS)]
    speeds: dict[int, list[float]] = {size: [] for size in SPREAD_SIZES}
    topics = {size: [f"topic_{n}" for n in range(size // SPREAD_SIZES[0])] for size in speeds}
    engines = {size: RuleEngine() for size in speeds}
    try:
        books = {}
        for size, names in topics.items():
            rules = {name: [_a_rule(chance) for _ in range(SPREAD_SIZES[0])] for name in names}
            books[size] = _a_book(rules)
            await engines[size].start()
            await engines[size].load(books[size])
        for _ in range(_ROUNDS):
            for size, book in books.items():
                asked = [(chance.choice(topics[size]), document) for document in documents]
                began = time.perf_counter()
                await _decide_each(Decider(engines[size]), book, asked)
                speeds[size].append(len(asked) / (time.perf_counter() - began))
        unanswered = sum(e.counters.asked - e.counters.answered for e in engines.values())
    finally:
        for engine in engines.values():
            await engine.close()
    pairs = zip(speeds[SPREAD_SIZES[-1]], speeds[SPREAD_SIZES[0]], strict=True)
    return {
        **{f"spread_per_second_{size}": round(median(found)) for size, found in speeds.items()},
        "spread_ratio": round(median(many / few for many, few in pairs), 3),
        "spread_by_reference": unanswered,
    }


async def _decide_each(
    decider: Decider, book: Rulebook, asked: Sequence[tuple[str, Document]]
) -> None:
    waiting = iter(asked)

    async def serve() -> None:
        for topic, document in waiting:
            await decider.decide(book, _question(document, topic))

    await asyncio.gather(*(serve() for _ in range(_AT_ONCE)))


async def _warm_up(
    decider: Decider, book: Rulebook, bare: "_Bare", documents: Sequence[Document]
) -> None:
    aside = _Measured()
    for document in documents[: len(documents) // 4]:
        bare.decide(document)
    await _decide_all(decider, book, documents[: len(documents) // 4], aside)


async def _decide_all(
    decider: Decider, book: Rulebook, documents: Sequence[Document], measured: _Measured
) -> list[Decision]:
    """Decide every document, a bounded number at once, as a server does."""
    waiting = iter(enumerate(documents))
    done: dict[int, Decision] = {}

    async def serve() -> None:
        for number, document in waiting:
            began = time.perf_counter()
            done[number] = await decider.decide(book, _question(document))
            measured.latencies.append(time.perf_counter() - began)

    await asyncio.gather(*(serve() for _ in range(_AT_ONCE)))
    return [done[number] for number in range(len(documents))]


def _compare(decisions: Sequence[Decision], fired: Sequence[frozenset[int]]) -> None:
    """Make sure that both sides gave the same answers: a fast wrong one is worth nothing."""
    for decision, theirs in zip(decisions, fired, strict=True):
        ours = frozenset(
            int(one.rule.rpartition("_")[2]) for one in decision.fired if one.section == "suppress"
        )
        if ours != theirs:
            raise AssertionError("the bare loop and the rule engine differ")


class _Bare:
    """What one would write with durable_rules alone."""

    def __init__(self, rules: Sequence[_Rule]) -> None:
        self._fired: set[int] = set()
        self._host = TimerlessHost()
        definitions = {str(number): self._define(number, rule) for number, rule in enumerate(rules)}
        self._host.set_rulesets({f"bare{len(rules)}": definitions})
        self._name = f"bare{len(rules)}"

    def decide(self, document: Document) -> frozenset[int]:
        self._fired.clear()
        try:
            self._host.assert_fact(self._name, {"id": "d", "topic": _TOPIC, **document})
        except MessageNotHandledException:
            return frozenset()
        self._host.retract_fact(self._name, {"id": "d"})
        return frozenset(self._fired)

    def _define(self, number: int, rule: _Rule) -> dict[str, object]:
        tests = [
            {"topic": _TOPIC},
            {"$or": [{rule.attribute: value} for value in rule.values]},
            {"$lt": {rule.counter: rule.below}},
        ]
        return {"all": [{"m": {"$and": tests}}], "run": lambda _: self._fired.add(number)}


def _a_rule(chance: random.Random) -> _Rule:
    values = chance.sample(range(_VALUES), _LISTED)
    return _Rule(
        attribute=f"customer.attribute_{chance.randrange(_FIELDS)}",
        values=tuple(f"değer {value}" for value in values),
        counter=f"customer.counter_{chance.randrange(_FIELDS)}",
        below=chance.randint(1, 9),
    )


def _a_document(chance: random.Random) -> Document:
    texts: Document = {
        f"customer.attribute_{n}": f"değer {chance.randrange(_VALUES)}" for n in range(_FIELDS)
    }
    numbers: Document = {f"customer.counter_{n}": chance.randrange(10) for n in range(_FIELDS)}
    return {**texts, **numbers}


def _a_book(book: Mapping[str, Sequence[_Rule]]) -> Rulebook:
    """Write and load a book of topics, each with rules of its own."""
    fields = [f"  customer.attribute_{n}: {{type: text}}" for n in range(_FIELDS)]
    fields += [f"  customer.counter_{n}: {{type: int}}" for n in range(_FIELDS)]
    topics = [f"  - {{id: {t}, means: Measured, class: service, expires: 1d}}" for t in book]
    channels = [f"  - {{id: to_{t}, when: {{topic: {t}}}, send: [sms, email]}}" for t in book]
    rules = [
        line
        for topic, rules in book.items()
        for number, rule in enumerate(rules)
        for line in _lines(topic, number, rule)
    ]
    lines = ["version: 1", "package: bench", "topics:", *topics, "channels:", *channels]
    with tempfile.TemporaryDirectory() as folder:
        head = ["version: 1", "fields:"]
        (Path(folder) / "fields.yaml").write_text("\n".join([*head, *fields]), encoding="utf-8")
        (Path(folder) / "bench.yaml").write_text(
            "\n".join([*lines, "suppress:", *rules]), encoding="utf-8"
        )
        return load_rulebook(Path(folder))


def _lines(topic: str, number: int, rule: _Rule) -> list[str]:
    values = ", ".join(rule.values)
    return [
        f"  - id: {topic}_{number}",
        (
            f"    when: {{topic: {topic}, {rule.attribute}: [{values}],"
            f" {rule.counter}: {{lt: {rule.below}}}}}"
        ),
        "    reason: measured",
        "    text: Measured",
    ]


def _question(document: Document, topic: str = _TOPIC) -> Question:
    return Question(
        topic=topic,
        at=_AT,
        timezone="Europe/Istanbul",
        document=document,
        reachable=frozenset({Channel.SMS, Channel.EMAIL}),
        country="TR",
    )
