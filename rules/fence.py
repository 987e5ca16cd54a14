"""Writes conditions for durable_rules, inside the limits within which it was seen to be right.

Every rule is one pattern that begins with a positive test, so that the engine's own messages never
match; no joins, no `$not`, no timers, no regular expressions; negation is an absent field of a
finished document. The limits lie below walls that were measured: beyond them version 2.0.28
crashes, hangs or answers wrongly. Rulesets are cut so that no rule file can reach a wall; what
cannot be cut is refused with its place.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rules.definitions import Rule
from rules.ir import ALWAYS, NEVER, Either, Every, FactTest, Ir, Op, Test, every
from rules.language import FACT
from rules.net import fits, paths
from rules.reference import Asked
from rules.shards import Shard
from rules.source import Place, Report

Json = dict[str, object]
Ruleset = dict[str, Json]

MAX_GROUPS = 14
"""Groups in one pattern; the 16th is error 113."""
MAX_FIELDS = 240
"""Properties of one document; at about 250 it is error 302."""
MAX_PARTS = 64
"""Engine rules that one rule of an author may become."""
MAX_PATHS = 64
"""Ways in which one document may make a rule true: the engine fires it for every one."""

MARK = "doc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Rulesets that are asked with the same document, and the facts that their rules add."""

    rulesets: tuple[Ruleset, ...]
    facts: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A topic's rules for the engine: the strata of its facts, then all others.

    Rules are named by their number in the shard's order; a document is the values of `fields`.
    """

    fields: tuple[str, ...]
    stages: tuple[Stage, ...]

    def to_json(self) -> dict[str, object]:
        """Write the program for the engine's process."""
        stages = [[stage.rulesets, list(stage.facts.items())] for stage in self.stages]
        return {"fields": self.fields, "stages": stages}


def program_of(shard: Shard, report: Report) -> Program:
    """Write a shard for the engine; what does not fit is reported at its place."""
    if len(shard.fields) > MAX_FIELDS:
        report.add(
            Place(file=shard.topic.file, line=shard.topic.line),
            f"the rules of '{shard.topic.id}' read {len(shard.fields)} fields, "
            f"at most {MAX_FIELDS} are possible",
        )
    numbers = {asked.rule.id: number for number, asked in enumerate(shard.order)}
    others = shard.order[sum(len(stratum) for stratum in shard.strata) :]
    stages = []
    for stratum in (*shard.strata, others):
        numbered = [(numbers[asked.rule.id], asked) for asked in stratum]
        facts = {
            number: fact
            for number, asked in numbered
            if (fact := getattr(asked.rule, "derives", None)) is not None
        }
        stages.append(Stage(rulesets=tuple(_rulesets(numbered, report)), facts=facts))
    return Program(fields=shard.fields, stages=tuple(stages))


def check_hashes(paths: Iterable[str], report: Report, place: Place) -> None:
    """Refuse two names that the engine could not tell apart: it knows them by a 32-bit hash."""
    seen: dict[int, str] = {}
    for path in (MARK, "id", "sid", *paths):
        other = seen.setdefault(_fnv(path), path)
        if other != path:
            report.add(place, f"'{path}' and '{other}' have the same hash", "rename one of them")


def _rulesets(numbered: Sequence[tuple[int, Asked[Rule]]], report: Report) -> Iterator[Ruleset]:
    """Put rules into as few rulesets as the engine's limits allow."""
    named = [
        (name, _pattern(part))
        for number, asked in numbered
        for name, part in _parts(number, asked, report)
    ]
    return _cut(named)


def _cut(named: Sequence[tuple[str, Json]]) -> Iterator[Ruleset]:
    if not named:
        return
    if len(named) == 1 or fits(pattern for _, pattern in named):
        yield {name: {"all": [{"m": pattern}]} for name, pattern in named}
        return
    middle = len(named) // 2
    yield from _cut(named[:middle])
    yield from _cut(named[middle:])


def _parts(number: int, asked: Asked[Rule], report: Report) -> list[tuple[str, Ir]]:
    """Cut a condition into alternatives that fit; the rule holds if one of them does."""
    done: list[Ir] = []
    left = [asked.when]
    while left:
        part = left.pop(0)
        if _fits(part):
            done.append(part)
            continue
        alternatives = _split(part)
        left += alternatives
        if not alternatives or len(done) + len(left) > MAX_PARTS:
            place = Place(file=asked.rule.file, line=asked.rule.line)
            message = f"the condition of '{asked.rule.id}' is too large for the engine"
            report.add(place, message, "make it several rules")
            return []
    if len(done) == 1:
        return [(str(number), done[0])]
    return [(f"{number}#{n}", part) for n, part in enumerate(done)]


def _fits(part: Ir) -> bool:
    pattern = _pattern(part)
    return _groups(pattern) <= MAX_GROUPS and paths(part) <= MAX_PATHS and fits([pattern])


def _pattern(part: Ir) -> Json:
    # The mark comes first: without a positive test the engine's own messages would match.
    return {MARK: 1} if part == ALWAYS else _joined("$and", [{MARK: 1}, _json(part)])


def _split(part: Ir) -> list[Ir]:
    """Multiply the widest alternative out."""
    parts = part.of if isinstance(part, Every) else (part,)
    wide = [one for one in parts if isinstance(one, Either)]
    if not wide:
        return []
    widest = max(wide, key=lambda one: (len(one.of), _groups(_json(one))))
    rest = [one for one in parts if one is not widest]
    split = [every([*rest, alternative]) for alternative in widest.of]
    return [part for part in split if part != NEVER]


def _groups(written: Json) -> int:
    [(name, inner)] = written.items()
    if name in {"$and", "$or"} and isinstance(inner, list):
        return 1 + sum(_groups(part) for part in inner)
    return 1 if name in {"$iany", "$iall"} else 0


def _joined(word: str, parts: Sequence[Json]) -> Json:
    flat: list[object] = []
    for part in parts:
        inner = part.get(word)
        flat += inner if isinstance(inner, list) else [part]
    return {word: flat} if len(flat) != 1 else dict(parts[0])


def _json(ir: Ir) -> Json:  # noqa: PLR0911 - one return per shape
    match ir:
        case Every(of=parts):
            return _joined("$and", [_json(part) for part in parts])
        case Either(of=parts):
            return _joined("$or", [_json(part) for part in parts])
        case FactTest(name=name, holds=True):
            return {FACT + name: True}
        case FactTest(name=name):
            return {"$nex": {FACT + name: 1}}
        case Test(op=Op.EQ_FIELD | Op.NE_FIELD | Op.IN_FIELD | Op.NOT_IN_FIELD):
            return _two_fields(ir)
        case Test(wanted=tuple() as wanted):
            single = Op.EQ if ir.op is Op.IN else Op.NE
            word = "$or" if ir.op is Op.IN else "$and"
            return _joined(word, [_json(Test(single, ir.path, one)) for one in wanted])
    return _one(ir.op, ir.path, ir.wanted)


def _one(op: Op, path: str, wanted: object) -> Json:  # noqa: PLR0911 - one return per test
    match op:
        case Op.EQ:
            return {path: wanted}
        case Op.NE:
            return {"$neq": {path: wanted}}
        case Op.EXISTS:
            return {"$ex": {path: 1}}
        case Op.MISSING:
            return {"$nex": {path: 1}}
        case Op.HAS:
            return {"$iany": {path: {"$i": wanted}}}
        case Op.HAS_NOT:
            return {"$iall": {path: {"$neq": {"$i": wanted}}}}
        case _:
            return {f"${op}": {path: wanted}}


def _two_fields(test: Test) -> Json:
    """Compare within one message; the test passes if the other is missing, hence `$ex` before."""
    path, other = test.path, test.other or ""
    match test.op:
        case Op.EQ_FIELD:
            compared: list[Json] = [{"$ex": {other: 1}}, {path: {"$m": other}}]
        case Op.NE_FIELD:
            compared = [{"$ex": {other: 1}}, {"$neq": {path: {"$m": other}}}]
        case Op.IN_FIELD:
            compared = [{"$ex": {path: 1}}, {"$iany": {other: {"$i": {"$m": path}}}}]
        case _:
            compared = [{"$ex": {path: 1}}, {"$iall": {other: {"$neq": {"$i": {"$m": path}}}}}]
    return {"$and": list(compared)}


def _fnv(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value
