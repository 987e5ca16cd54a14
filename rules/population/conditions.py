"""Writes conditions as SQL.

There is no negation in a condition, and every test but `missing` is false on an absent value. So
the third truth value never turns into an answer: what is unknown counts as false in the end.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import ARRAY, BigInteger, Text, and_, any_, false, literal, not_, null, or_, true
from sqlalchemy.sql.operators import custom_op

from rules.ir import Either, Every, FactTest, Ir, Op, Test
from rules.population.layers import Column

_HAS = custom_op[bool]("?", precedence=5, is_comparison=True)
_COMPARES = {Op.LT: "__lt__", Op.LTE: "__le__", Op.GT: "__gt__", Op.GTE: "__ge__"}

Named = Callable[[str], Column]


def condition(ir: Ir, value: Named, fact: Named) -> Column:  # noqa: PLR0911 - one per shape
    """Write a condition over columns of the fields' values and of the facts that hold."""
    match ir:
        case Every(of=()):
            return true()
        case Either(of=()):
            return false()
        case Every(of=parts):
            return and_(*(condition(part, value, fact) for part in parts))
        case Either(of=parts):
            return or_(*(condition(part, value, fact) for part in parts))
        case FactTest(name=name, holds=True):
            return fact(name)
        case FactTest(name=name):
            return fact(name).is_not(true())
        case Test(other=str() as other):
            return _two_fields(ir.op, value(ir.path), value(other))
        case Test():
            return _test(ir, value(ir.path))


def _test(test: Test, seen: Column) -> Column:  # noqa: PLR0911 - one return per test
    wanted = test.wanted
    match test.op:
        case Op.EXISTS:
            return seen.is_not(null())
        case Op.MISSING:
            return seen.is_(null())
        case Op.IN if isinstance(wanted, tuple):
            return seen == any_(_several(wanted))
        case Op.NOT_IN if isinstance(wanted, tuple):
            return not_(seen == any_(_several(wanted)))
        case Op.HAS:
            return seen.operate(_HAS, _one(wanted))
        case Op.HAS_NOT:
            return not_(seen.operate(_HAS, _one(wanted)).self_group())
        case Op.EQ | Op.NE if isinstance(wanted, bool):
            return seen if wanted is (test.op is Op.EQ) else not_(seen)
        case Op.EQ:
            return seen == _one(wanted)
        case Op.NE:
            return seen != _one(wanted)
        case _:
            compared: Column = getattr(seen, _COMPARES[test.op])(_one(wanted))
            return compared


def _two_fields(op: Op, one: Column, other: Column) -> Column:
    match op:
        case Op.EQ_FIELD:
            return one == other
        case Op.NE_FIELD:
            return one != other
        case Op.IN_FIELD:
            return other.operate(_HAS, one)
        case _:
            return not_(other.operate(_HAS, one).self_group())


def _one(wanted: object) -> Column:
    return literal(wanted, Text if isinstance(wanted, str) else BigInteger)


def _several(wanted: Sequence[object]) -> Column:
    kind = Text if isinstance(wanted[0], str) else BigInteger
    return literal(list(wanted), ARRAY(kind))
