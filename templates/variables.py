"""Which variables a template cannot do without, read from its source before it is filled in.

The policy: a variable is required, and required means present and not blank. A template that can
do without one says so itself: `{{ customer.first_name | default("") }}`, or by asking first
(`{% if outage.reason is defined %}`). What stands inside a branch is required only when the
branch is taken; StrictUndefined sees to that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jinja2 import nodes

Path = tuple[str, ...]

_ASKING_FILTERS = frozenset({"default", "d"})
_ASKING_TESTS = frozenset({"defined", "undefined"})


@dataclass(slots=True)
class Needs:
    """The paths that a template reads: on every way through it, on some, or at its ease."""

    always: set[Path] = field(default_factory=set)
    sometimes: set[Path] = field(default_factory=set)
    optional: set[Path] = field(default_factory=set)
    own: set[str] = field(default_factory=set)

    @property
    def required(self) -> tuple[Path, ...]:
        """The paths without which it cannot be filled in, sorted."""
        return tuple(sorted(p for p in self.always - self.optional if p[0] not in self.own))

    def read(self, node: nodes.Node, *, sure: bool = True) -> None:
        """Add what a part of the tree reads; `sure` says that every way leads through it."""
        path = _path(node)
        if path is not None:
            (self.always if sure else self.sometimes).add(path)
            return
        if isinstance(node, nodes.Name):
            self.own.add(node.name)
        for child, child_is_sure in self._children(node):
            self.read(child, sure=sure and child_is_sure)

    def _children(self, node: nodes.Node) -> Iterator[tuple[nodes.Node, bool]]:
        asked = _asked(node)
        if asked is not None:
            self.optional.add(asked)
        branches = _branches(node)
        for child in node.iter_child_nodes():
            if asked is None or _path(child) != asked:
                yield child, not any(child is branch for branch in branches)


def look_up(variables: Mapping[str, object], path: Path) -> object:
    """Follow a path through mappings; None where it ends early."""
    found: object = variables
    for part in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def is_blank(value: object) -> bool:
    """Say whether a value would leave a hole in the text."""
    return value is None or (isinstance(value, str) and not value.strip())


def _path(node: nodes.Node | None) -> Path | None:
    """Read `case.number` or `case["number"]` as a path; None if the node is anything else."""
    if isinstance(node, nodes.Name):
        return (node.name,) if node.ctx == "load" else None
    if isinstance(node, nodes.Getattr):
        head, last = _path(node.node), node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        head, last = _path(node.node), str(node.arg.value)
    else:
        return None
    return (*head, last) if head else None


def _asked(node: nodes.Node) -> Path | None:
    """Return the path that a `default` filter or a `defined` test bears to be absent."""
    if isinstance(node, nodes.Filter) and node.name in _ASKING_FILTERS:
        return _path(node.node)
    if isinstance(node, nodes.Test) and node.name in _ASKING_TESTS:
        return _path(node.node)
    return None


def _branches(node: nodes.Node) -> tuple[nodes.Node, ...]:
    """Return the children that are reached on some ways only."""
    if isinstance(node, nodes.If):
        return (*node.body, *node.elif_, *node.else_)
    if isinstance(node, nodes.For):
        return (*node.body, *node.else_)
    if isinstance(node, nodes.CondExpr):
        return (node.expr1,) if node.expr2 is None else (node.expr1, node.expr2)
    if isinstance(node, (nodes.And, nodes.Or)):
        return (node.right,)
    return ()
