"""What follows from a condition, whatever the customer: whether it can hold at all, and what with.

Answers are sound and not complete: "it follows" and "it can never hold" are always true, and what
is too large or compares two fields may be left open.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

from rules.ir import ALWAYS, Either, Every, FactTest, Ir, Op, Test
from rules.vocabulary import Vocabulary

MAX_WAYS = 64
"""Ways to hold beyond which a condition is left alone."""

Leaf = Test | FactTest
Way = tuple[Leaf, ...]
Closed = Mapping[str, frozenset[object]]
"""The only values that some fields can have."""


def closed_fields(vocabulary: Vocabulary) -> Closed:
    """Return the fields of closed sets."""
    return {p: frozenset(one.values) for p, one in vocabulary.fields.items() if one.values}


def can_hold(ir: Ir, closed: Closed) -> bool:
    """Say whether there may be somebody for whom a condition holds."""
    ways = _ways(ir)
    return ways is None or any(_state(way, closed) is not None for way in ways)


def follows(ir: Ir, other: Ir, closed: Closed) -> bool:
    """Say whether another condition surely holds wherever this one does."""
    if other == ALWAYS:
        return True
    ours, theirs = _ways(ir), _ways(other)
    if ours is None or theirs is None:
        return False
    states = [state for way in ours if (state := _state(way, closed)) is not None]
    return bool(states) and all(
        any(all(state.proves(leaf) for leaf in way) for way in theirs) for state in states
    )


def _ways(ir: Ir) -> list[Way] | None:
    """Return the ways in which a condition can hold, None if they are too many."""
    match ir:
        case Every(of=parts):
            found: list[Way] = [()]
            for part in parts:
                ways = _ways(part)
                if ways is None or len(found) * len(ways) > MAX_WAYS:
                    return None
                found = [(*one, *other) for one, other in product(found, ways)]
            return found
        case Either(of=parts):
            several = [_ways(part) for part in parts]
            joined = [way for ways in several if ways is not None for way in ways]
            return None if None in several or len(joined) > MAX_WAYS else joined
    return [(ir,)]


@dataclass(slots=True)
class _Held:
    """What is known of one field's value."""

    there: bool | None = None
    among: frozenset[object] | None = None
    none_of: set[object] = field(default_factory=set)
    low: float = float("-inf")
    high: float = float("inf")
    has: set[object] = field(default_factory=set)
    has_not: set[object] = field(default_factory=set)

    @property
    def possible(self) -> frozenset[object] | None:
        """The values that are left, None if they are not counted."""
        if self.among is None:
            return None
        return frozenset(
            one
            for one in self.among - self.none_of
            if not isinstance(one, int) or self.low <= one <= self.high
        )

    @property
    def contradicts(self) -> bool:
        if self.there is False:
            return self._says_something
        return self.possible == frozenset() or self.low > self.high or bool(self.has & self.has_not)

    @property
    def _says_something(self) -> bool:
        bounded = self.low != float("-inf") or self.high != float("inf")
        return bool(self.among is not None or self.none_of or self.has or self.has_not or bounded)


@dataclass(slots=True)
class _State:
    """What is known of somebody for whom every test of a way holds."""

    closed: Closed
    fields: dict[str, _Held] = field(default_factory=dict)
    facts: dict[str, bool] = field(default_factory=dict)
    taken: set[Leaf] = field(default_factory=set)

    def take(self, leaf: Leaf) -> bool:
        """Learn that a test holds; False if that cannot be."""
        self.taken.add(leaf)
        if isinstance(leaf, FactTest):
            return self.facts.setdefault(leaf.name, leaf.holds) is leaf.holds
        if leaf.other is not None:
            return self._at(leaf.path, there=True) and self._at(leaf.other, there=True)
        if leaf.op is Op.MISSING:
            return self._at(leaf.path, there=False)
        if not self._at(leaf.path, there=True):
            return False
        held = self.fields[leaf.path]
        _LEARN.get(leaf.op, _nothing)(held, leaf)
        return not held.contradicts

    def _at(self, path: str, *, there: bool) -> bool:
        held = self.fields.setdefault(path, _Held())
        if held.there is None:
            held.there = there
            if there and path in self.closed:
                held.among = self.closed[path]
        return held.there is there and not held.contradicts

    def proves(self, leaf: Leaf) -> bool:
        """Say whether a test surely holds."""
        if leaf in self.taken:
            return True
        if isinstance(leaf, FactTest) or leaf.other is not None:
            return False
        held = self.fields.get(leaf.path, _Held())
        if leaf.op is Op.MISSING:
            return held.there is False
        if held.there is not True:
            return False
        return leaf.op is Op.EXISTS or _PROVE[leaf.op](held, leaf)


def _state(way: Iterable[Leaf], closed: Closed) -> _State | None:
    """Return what is known of somebody for whom a way holds, None if there can be nobody."""
    state = _State(closed)
    return state if all(state.take(leaf) for leaf in way) else None


def _wanted(leaf: Test) -> frozenset[object]:
    return frozenset(leaf.wanted if isinstance(leaf.wanted, tuple) else (leaf.wanted,))


def _number(leaf: Test) -> int:
    return leaf.wanted if isinstance(leaf.wanted, int) else 0


def _nothing(held: _Held, leaf: Test) -> None:
    """Learn nothing more than that there is a value."""


def _among(held: _Held, leaf: Test) -> None:
    wanted = _wanted(leaf)
    held.among = wanted if held.among is None else held.among & wanted


def _none_of(held: _Held, leaf: Test) -> None:
    held.none_of |= _wanted(leaf)


def _at_least(held: _Held, leaf: Test) -> None:
    held.low = max(held.low, _number(leaf) + (leaf.op is Op.GT))


def _at_most(held: _Held, leaf: Test) -> None:
    held.high = min(held.high, _number(leaf) - (leaf.op is Op.LT))


def _has(held: _Held, leaf: Test) -> None:
    held.has.add(leaf.wanted)
    held.among = None  # the values of a list are not closed as a whole


def _has_not(held: _Held, leaf: Test) -> None:
    held.has_not.add(leaf.wanted)
    held.among = None


_LEARN: Mapping[Op, Callable[[_Held, Test], None]] = {
    Op.EQ: _among,
    Op.IN: _among,
    Op.NE: _none_of,
    Op.NOT_IN: _none_of,
    Op.GT: _at_least,
    Op.GTE: _at_least,
    Op.LT: _at_most,
    Op.LTE: _at_most,
    Op.HAS: _has,
    Op.HAS_NOT: _has_not,
}


def _is_among(held: _Held, leaf: Test) -> bool:
    return held.possible is not None and held.possible <= _wanted(leaf)


def _is_none_of(held: _Held, leaf: Test) -> bool:
    if held.possible is not None:
        return held.possible.isdisjoint(_wanted(leaf))
    return all(
        one in held.none_of or (isinstance(one, int) and not held.low <= one <= held.high)
        for one in _wanted(leaf)
    )


def _lowest(held: _Held) -> float:
    numbers = [one for one in held.possible or () if isinstance(one, int)]
    return min(numbers, default=held.low)


def _highest(held: _Held) -> float:
    numbers = [one for one in held.possible or () if isinstance(one, int)]
    return max(numbers, default=held.high)


_PROVE: Mapping[Op, Callable[[_Held, Test], bool]] = {
    Op.EQ: _is_among,
    Op.IN: _is_among,
    Op.NE: _is_none_of,
    Op.NOT_IN: _is_none_of,
    Op.GT: lambda held, leaf: _lowest(held) > _number(leaf),
    Op.GTE: lambda held, leaf: _lowest(held) >= _number(leaf),
    Op.LT: lambda held, leaf: _highest(held) < _number(leaf),
    Op.LTE: lambda held, leaf: _highest(held) <= _number(leaf),
    Op.HAS: lambda held, leaf: leaf.wanted in held.has,
    Op.HAS_NOT: lambda held, leaf: leaf.wanted in held.has_not,
}
