"""Makes calls of a webhook again that are over: its receiver has lost what it was told."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.tables.outages import WebhookCallRow, WebhookRow

MOST = 10_000
"""How many calls may be made again at once."""

_hooks = table(WebhookRow)
_calls = table(WebhookCallRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What is to be told again: one call by its id, or what was announced in a time."""

    call: str = ""
    begins: datetime | None = None
    ends: datetime | None = None


async def replay(
    tx: AsyncSession, brand_id: str, webhook_id: str, wanted: Replay, *, now: datetime
) -> int:
    """Make calls again under their old ids, as if for the first time; return how many.

    A receiver that keeps ids takes twice what it had only once. What still waits is left alone.

    Raises:
        NotFoundError: The brand has no such address, or the address no such call.
        ConflictError: The address has ended, so that nothing goes there.
        InvalidInputError: It is neither one call nor a time, or too much at once.
    """
    theirs = select(_hooks.c.ended_at).where(
        _hooks.c.id == webhook_id, _hooks.c.brand_id == brand_id
    )
    hook = (await tx.execute(theirs.with_for_update(read=True, key_share=True))).one_or_none()
    if hook is None:
        raise NotFoundError("no such webhook")
    if hook.ended_at is not None:
        raise ConflictError("the webhook has ended; add it anew", code="webhook_ended")
    meant = [_calls.c.webhook_id == webhook_id, *_meant(wanted)]
    number = (await tx.execute(select(func.count()).where(*meant))).scalar_one()
    if wanted.call and not number:
        raise NotFoundError("no such call of this webhook")
    if number > MOST:
        raise InvalidInputError(
            f"these are {number} calls, more than {MOST} at once",
            field="to",
            hint="ask for shorter times, one after the other",
        )
    again = (
        update(_calls)
        .where(*meant, _calls.c.done_at.is_not(None))
        .values(done_at=None, due_at=now, tries=0, answer="")
    )
    return len((await tx.execute(again.returning(_calls.c.id))).all())


def _meant(wanted: Replay) -> list[ColumnElement[bool]]:
    if wanted.call:
        if wanted.begins or wanted.ends:
            raise InvalidInputError("say a call or a time, not both", field="call")
        return [_calls.c.id == wanted.call]
    if wanted.begins is None or wanted.ends is None or wanted.begins >= wanted.ends:
        raise InvalidInputError(
            "say what to make again",
            field="from",
            hint="a call's id, or a time from … to that does not end before it begins",
        )
    return [_calls.c.created_at >= wanted.begins, _calls.c.created_at < wanted.ends]
