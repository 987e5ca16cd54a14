"""Conditions after compilation: tests joined by all and any, with no negation left.

Two-valued logic: absent, null and the empty list are one thing, and every test is false on an
absent value, except `missing`. `negate` pushes NOT down to the tests, so that AND and OR are
monotone and every executor (Python, durable_rules, SQL) gives the same answer without a third
truth value.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tellal.domain.decisions import Value


class Op(StrEnum):
    """What a test asks of a value."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "not_in"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    EXISTS = "exists"
    MISSING = "missing"
    HAS = "has"
    HAS_NOT = "has_not"
    EQ_FIELD = "eq_field"
    NE_FIELD = "ne_field"
    IN_FIELD = "in_field"
    NOT_IN_FIELD = "not_in_field"


Wanted = Value | tuple[int, ...] | None
"""What a test compares with: a value, several, the path of another field, or nothing."""

FIELD_OPS = frozenset({Op.EQ_FIELD, Op.NE_FIELD, Op.IN_FIELD, Op.NOT_IN_FIELD})
ORDER_OPS = frozenset({Op.LT, Op.LTE, Op.GT, Op.GTE})

_OPPOSITES: Mapping[Op, Op] = {
    Op.EQ: Op.NE,
    Op.IN: Op.NOT_IN,
    Op.LT: Op.GTE,
    Op.LTE: Op.GT,
    Op.EXISTS: Op.MISSING,
    Op.HAS: Op.HAS_NOT,
    Op.EQ_FIELD: Op.NE_FIELD,
    Op.IN_FIELD: Op.NOT_IN_FIELD,
}
OPPOSITE: Mapping[Op, Op] = {**_OPPOSITES, **{new: old for old, new in _OPPOSITES.items()}}


@dataclass(frozen=True, slots=True)
class Test:
    """One question about the value at a path."""

    op: Op
    path: str
    wanted: Wanted = None

    __test__ = False  # pytest takes the name for a class of tests

    @property
    def other(self) -> str | None:
        """The path of the second field, where two fields are compared."""
        return self.wanted if self.op in FIELD_OPS and isinstance(self.wanted, str) else None


@dataclass(frozen=True, slots=True)
class FactTest:
    """Whether a derived fact holds, or does not."""

    name: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold; with no parts it always holds."""

    of: tuple["Ir", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds; with no parts it never holds."""

    of: tuple["Ir", ...]


Ir = Test | FactTest | Every | Either

ALWAYS = Every(())
NEVER = Either(())


def every(parts: Iterable[Ir]) -> Ir:
    """Join conditions by AND, flat and without repetition."""
    flat: dict[Ir, None] = {}
    for part in parts:
        if part == NEVER:
            return NEVER
        flat.update(dict.fromkeys(part.of if isinstance(part, Every) else (part,)))
    return next(iter(flat)) if len(flat) == 1 else Every(tuple(flat))


def either(parts: Iterable[Ir]) -> Ir:
    """Join conditions by OR, flat and without repetition."""
    flat: dict[Ir, None] = {}
    for part in parts:
        if part == ALWAYS:
            return ALWAYS
        flat.update(dict.fromkeys(part.of if isinstance(part, Either) else (part,)))
    return next(iter(flat)) if len(flat) == 1 else Either(tuple(flat))


def negate(ir: Ir) -> Ir:
    """Return the condition that holds exactly where this one does not."""
    match ir:
        case Every(of=parts):
            return either(negate(part) for part in parts)
        case Either(of=parts):
            return every(negate(part) for part in parts)
        case FactTest(name=name, holds=holds):
            return FactTest(name, not holds)
        case Test(op=Op.EXISTS | Op.MISSING):
            return Test(OPPOSITE[ir.op], ir.path)
    absent: list[Ir] = [Test(Op.MISSING, path) for path in (ir.path, ir.other) if path]
    return either([*absent, Test(OPPOSITE[ir.op], ir.path, ir.wanted)])


def leaves(ir: Ir) -> Iterator[Test | FactTest]:
    """Walk through the tests of a condition, left to right."""
    if isinstance(ir, Every | Either):
        for part in ir.of:
            yield from leaves(part)
    else:
        yield ir


def fields_of(ir: Ir) -> frozenset[str]:
    """Return the paths that a condition reads."""
    tests = [leaf for leaf in leaves(ir) if isinstance(leaf, Test)]
    return frozenset(path for test in tests for path in (test.path, test.other) if path)


def facts_of(ir: Ir) -> frozenset[str]:
    """Return the derived facts that a condition reads."""
    return frozenset(leaf.name for leaf in leaves(ir) if isinstance(leaf, FactTest))


def given(ir: Ir, known: Mapping[str, str | None]) -> Ir:
    """Return what is left of a condition once some text fields are known for good.

    None is known to be absent.
    """
    match ir:
        case Every(of=parts):
            return every(given(part, known) for part in parts)
        case Either(of=parts):
            return either(given(part, known) for part in parts)
        case Test(path=path) if path in known:
            seen = known[path]
            if seen is None:
                return ALWAYS if ir.op is Op.MISSING else NEVER
            if ir.other is not None:
                return Test(_OF_ONE[ir.op], ir.other, seen)
            return ALWAYS if _answer(ir, seen) else NEVER
    return ir


_OF_ONE: Mapping[Op, Op] = {
    Op.EQ_FIELD: Op.EQ,
    Op.NE_FIELD: Op.NE,
    Op.IN_FIELD: Op.HAS,
    Op.NOT_IN_FIELD: Op.HAS_NOT,
}
"""How a test of two fields asks the second one, when the first is known."""


def _answer(test: Test, seen: str) -> bool:
    wanted = test.wanted if isinstance(test.wanted, tuple) else (test.wanted,)
    match test.op:
        case Op.EQ | Op.IN:
            return seen in wanted
        case Op.NE | Op.NOT_IN:
            return seen not in wanted
        case Op.EXISTS:
            return True
        case Op.MISSING:
            return False
        case _:
            raise ValueError(f"{test.op} does not apply to {test.path}")
