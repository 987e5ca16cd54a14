"""A model of the net that durable_rules builds from a ruleset, to know its walls before it does.

Tests of rules that begin alike are shared nodes. A node keeps the tests that follow it in a table
without an end mark, the alternatives that pass through it in a list, the rules that end in it in
another; a document walks through the net with a stack of fixed size. Beyond these sizes version
2.0.28 fails, hangs while it loads, or writes past its memory.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rules.ir import Either, Every, Ir, Op, Test

MAX_FOLLOWERS = 480
"""Tests after one node: the table has 512 places, and to search a full one never ends."""
MAX_PASSING = 120
"""Alternatives and absences after one node; the list has 128 places."""
MAX_ENDING = 240
"""Rules that end in one node; the 256th is written past the list."""
MAX_STACK = 60
"""Nodes that can wait at once while a document walks through; the 65th is error 303."""

Pattern = Mapping[str, object]


@dataclass(slots=True, eq=False)
class _Node:
    """A test, or the place where alternatives meet again."""

    exclusive: str = ""
    followers: dict[str, "_Node"] = field(default_factory=dict)
    passing: list["_Node"] = field(default_factory=list)
    ending: int = 0


def fits(patterns: Iterable[Pattern]) -> bool:
    """Say whether rules of these patterns can stand in one ruleset."""
    root = _Node()
    for pattern in patterns:
        _insert(pattern, root).ending += 1
    nodes: dict[int, int] = {}
    return _height(root, nodes) + 1 <= MAX_STACK and all(height >= 0 for height in nodes.values())


def paths(ir: Ir) -> int:
    """Count the ways in which one document can make a condition true: it fires for each."""
    match ir:
        case Every(of=parts):
            product = 1
            for part in parts:
                product *= paths(part)
            return product
        case Either(of=parts):
            # A field has one value, so of several values for it one is met.
            fields = {part.path for part in parts if isinstance(part, Test) and part.op is Op.EQ}
            others = [p for p in parts if not (isinstance(p, Test) and p.op is Op.EQ)]
            return max(1, len(fields) + sum(paths(part) for part in others))
    return 1


def _insert(pattern: Pattern, parent: _Node) -> _Node:
    """Add a pattern after a node, as the engine does, and return the node in which it ends."""
    [(name, inner)] = pattern.items()
    if name == "$and" and isinstance(inner, list):
        for part in inner:
            parent = _insert(part, parent)
        return parent
    if name == "$or" and isinstance(inner, list):
        meeting = _Node()
        for part in inner:
            _insert(part, parent).passing.append(meeting)
        return meeting
    key = f"{name} {inner!r}"
    if name in {"$iany", "$iall"}:  # the engine never shares these
        key = f"{key} {len(parent.followers)}"
    return parent.followers.setdefault(key, _Node(exclusive="" if name.startswith("$") else name))


def _height(node: _Node, known: dict[int, int]) -> int:
    """Return how many nodes can wait at most below a node; -1 in `known` marks a node too full."""
    if id(node) in known:
        return known[id(node)]
    absences = sum(key.startswith("$nex") for key in node.followers)
    if (
        len(node.followers) - absences > MAX_FOLLOWERS
        or len(node.passing) + absences > MAX_PASSING
        or node.ending > MAX_ENDING
    ):
        known[id(node)] = -1
        return -1
    below = [*node.followers.values(), *node.passing]
    several = {child.exclusive for child in node.followers.values() if child.exclusive}
    alone = sum(not child.exclusive for child in node.followers.values())
    deepest = max((_height(child, known) for child in below), default=0)
    # The node itself has left the stack; its children wait there while one of them is followed.
    waiting = len(several) + alone + len(node.passing)
    known[id(node)] = max(waiting, waiting - 1 + max(0, deepest))
    return known[id(node)]
