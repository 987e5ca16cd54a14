"""Says a test of a condition as people would."""

from collections.abc import Mapping

from rules.definitions import ACTIVE
from rules.ir import FactTest, Op, Test
from rules.language import SEGMENT
from rules.measures import measure_of

_WORDS: Mapping[Op, str] = {
    Op.EQ: "is",
    Op.NE: "is not",
    Op.IN: "is one of",
    Op.NOT_IN: "is none of",
    Op.LT: "<",
    Op.LTE: "<=",
    Op.GT: ">",
    Op.GTE: ">=",
    Op.EXISTS: "is known",
    Op.MISSING: "is not known",
    Op.HAS: "has",
    Op.HAS_NOT: "has not",
    Op.EQ_FIELD: "equals",
    Op.NE_FIELD: "does not equal",
    Op.IN_FIELD: "is in",
    Op.NOT_IN_FIELD: "is not in",
}


def words_of(leaf: Test | FactTest) -> str:
    """Say one test in words, as in `customer.age < 18`."""
    if isinstance(leaf, FactTest):
        name = leaf.name if leaf.name.startswith(SEGMENT) else f"fact.{leaf.name}"
        return f"{name} is {'so' if leaf.holds else 'not so'}"
    if leaf.path.startswith(ACTIVE):
        return "it is in force on that day"
    measure = measure_of(leaf.path)
    path = leaf.path if measure is None else measure.words
    wanted = leaf.wanted
    if isinstance(wanted, tuple):
        wanted = ", ".join(str(one) for one in wanted)
    elif isinstance(wanted, bool):
        wanted = "true" if wanted else "false"
    return f"{path} {_WORDS[leaf.op]}" + ("" if wanted is None else f" {wanted}")
