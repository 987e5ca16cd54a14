"""A write that is repeated with the same Idempotency-Key happens once and is answered the same.

The key's row is written before the effect and completed after it, in one transaction. A repeat
that comes while the first is still running waits for its row a moment, then is told to come back.
An answer that is an error rolls everything back, so a corrected request may use the key again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from tellal.domain.errors import ConflictError, InvalidInputError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import IdempotencyRow

_rows = table(IdempotencyRow)
KEPT = timedelta(days=30)
"""How long answers are kept if nobody says otherwise; then the domain's own keys protect."""
PATIENCE = timedelta(milliseconds=250)
"""How long a repeat waits for the first to finish."""
_LOCK_NOT_AVAILABLE = "55P03"


def _claiming() -> ReturningInsert[Any]:
    """Insert a key's row, waiting for an unfinished one a moment only, in one round trip.

    The patience is set before the row is written, and taken back with it; a key that is answered
    already leaves it, for the one look at the answer that follows.
    """
    patience = f"{PATIENCE // timedelta(milliseconds=1)}ms"
    waits = select(
        func.current_setting("lock_timeout").label("usual"),
        func.set_config("lock_timeout", patience, true()).label("limited"),
    ).cte("waits")
    names = ("id", "caller_id", "route", "key", "digest", "status", "body", "created_at")
    values = [bindparam(f"the_{name}", type_=_rows.c[name].type) for name in names]
    usual = select(waits.c.usual).scalar_subquery()
    return (
        insert(_rows)
        .from_select(names, select(*values).select_from(waits))
        .on_conflict_do_nothing()
        .returning(_rows.c.id, func.set_config("lock_timeout", usual, true()))
    )


_CLAIM = _claiming()
_COMPLETE = (
    update(_rows)
    .where(_rows.c.id == bindparam("row"))
    .values(status=bindparam("given_status"), body=bindparam("given_body"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What identifies a repeat, and the digest that tells whether it is the same request."""

    caller: str
    route: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered; the body byte for byte."""

    status: int
    body: str


class StillRunningError(ConflictError):
    """The first request with this key has not been answered yet; come back in a moment."""


async def claim(tx: AsyncSession, request: Request, *, now: datetime) -> str | Answer:
    """Take a key: return the row to complete, or the answer that was given before.

    Raises:
        StillRunningError: The first request with the key is still at work.
        InvalidInputError: The key was used for another request.
    """
    row_id = new_id()
    values = {
        "the_id": row_id,
        "the_caller_id": request.caller,
        "the_route": request.route,
        "the_key": request.key,
        "the_digest": request.digest,
        "the_status": 0,
        "the_body": {},
        "the_created_at": now,
    }
    try:
        taken = (await tx.execute(_CLAIM, values)).one_or_none()
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise StillRunningError(
            "the first request with this Idempotency-Key is still running",
            code="still_running",
            hint="send it again after the seconds in Retry-After",
        ) from error
    return row_id if taken is not None else await _earlier(tx, request)


async def complete(tx: AsyncSession, row_id: str, answer: Answer) -> None:
    """Keep the answer, to be committed together with what it tells of."""
    await tx.execute(
        _COMPLETE,
        {"row": row_id, "given_status": answer.status, "given_body": {"text": answer.body}},
    )


async def purge(
    tx: AsyncSession, *, now: datetime, kept: timedelta = KEPT, limit: int = 1_000
) -> int:
    """Forget answers older than `kept`, at most `limit` of them; return how many went.

    What another worker is forgetting at the moment is left to that one.
    """
    old = (
        select(_rows.c.id)
        .where(_rows.c.created_at < now - kept)
        .order_by(_rows.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = await tx.execute(delete(_rows).where(_rows.c.id.in_(old)).returning(_rows.c.id))
    return len(gone.all())


async def _earlier(tx: AsyncSession, request: Request) -> Answer:
    query = select(_rows.c.digest, _rows.c.status, _rows.c.body).where(
        _rows.c.caller_id == request.caller,
        _rows.c.route == request.route,
        _rows.c.key == request.key,
    )
    row = (await tx.execute(query)).one()
    if row.digest != request.digest:
        raise InvalidInputError(
            "this Idempotency-Key was used for another request",
            field="Idempotency-Key",
            hint="make a new key for each new request, and keep it for repeats of that request",
        )
    return Answer(status=row.status, body=str(row.body["text"]))
