"""The gate before running causes: who is going to share one passes it, and a stop closes it.

A share of a cause's row is let in beside other shares although a stop waits to change the row, so
that shares that follow each other without a gap would keep a stop waiting for ever. Advisory locks
queue: once a stop waits here nobody passes any more, and what has passed is over in a moment. The
gate is passed before any cause is shared, and held until the transaction ends.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

_KEY: ColumnElement[Any] = literal_column("7364128905")
"""Any number that nothing else locks."""

_TRY: Select[bool] = select(func.pg_try_advisory_xact_lock_shared(_KEY, type_=Boolean()))
_WAIT = select(func.pg_advisory_xact_lock_shared(_KEY))
_CLOSE = select(func.pg_advisory_xact_lock(_KEY))


def open_gate() -> ColumnElement[bool]:
    """Ask in a statement whether the gate is open, once and before the statement looks at a row.

    It costs no round trip; a statement that finds the gate closed finds nothing and locks nothing.
    """
    return _TRY.scalar_subquery()


async def try_gate(tx: AsyncSession) -> bool:
    """Pass the gate unless it is closed, or a stop waits for it."""
    return bool((await tx.execute(_TRY)).scalar_one())


async def pass_gate(tx: AsyncSession) -> None:
    """Pass the gate, after the stops that wait for it."""
    await tx.execute(_WAIT)


async def close_gate(tx: AsyncSession) -> None:
    """Close the gate until the transaction ends; waits for those that have passed it."""
    await tx.execute(_CLOSE)
