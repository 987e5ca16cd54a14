"""Webhooks: addresses that hear of a brand's outages and cases, and what each of them was told."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.errors import NotFoundError
from tellal.domain.open_internet import check_url
from tellal.domain.webhooks import HookKind, hears_of, make_secret
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.outages import WebhookCallRow, WebhookRow

PRIVATE_BY = "TELLAL_WEBHOOKS_PRIVATE"
"""The setting by which an operator lets webhooks go to private addresses."""
TAKEN = "2"
"""How the answer of a call begins that was taken: the status of HTTP."""

_hooks = table(WebhookRow)
_calls = table(WebhookCallRow)
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address and what it is for; its secret is shown once, when it is made.

    `kinds` are those that it hears of.
    """

    id: str
    url: str
    means: str
    kinds: Sequence[HookKind]
    made_by: str
    made_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One thing told to one address.

    `state` is `waiting`, `taken` or `given_up`; `answer` is the last one, a status of HTTP or a
    word for why there was none.
    """

    id: str
    webhook_id: str
    kind: str
    state: str
    tries: int
    answer: str
    created_at: datetime
    due_at: datetime | None
    done_at: datetime | None


async def announce(
    tx: AsyncSession,
    brand_id: str,
    kind: str,
    body: Mapping[str, object],
    now: datetime,
    *,
    subject: str = "",
) -> int:
    """Have every address told that hears of such things, when the caller's transaction commits.

    Returns how many there are. `kind` names what happened, as in `outage.confirmed`; `body` must be
    what JSON can hold and names no person. What is announced of one `subject` is told in that
    order, if the caller holds what keeps its announcements apart. Rehearsals are not announced: the
    caller leaves them out.
    """
    query = select(_hooks.c.id).where(
        _hooks.c.brand_id == brand_id,
        _hooks.c.ended_at.is_(None),
        _hooks.c.kinds.contains([hears_of(kind).value]),
    )
    ids = (await tx.execute(query.with_for_update(read=True, key_share=True))).scalars().all()
    if ids:
        rows = [
            {
                "id": new_id(),
                "webhook_id": id_,
                "kind": kind,
                "subject": subject,
                "body": dict(body),
                "created_at": now,
                "due_at": now,
                "tries": 0,
                "answer": "",
            }
            for id_ in ids
        ]
        await tx.execute(insert(_calls), rows)
    return len(ids)


async def add_webhook(
    tx: AsyncSession,
    brand_id: str,
    *,
    url: str,
    means: str,
    made_by: str,
    now: datetime,
    kinds: Sequence[HookKind] = (HookKind.OUTAGES,),
    private: bool = False,
) -> tuple[Webhook, str]:
    """Add an address; the second value is its secret, which nobody can read again over the API.

    Raises:
        InvalidInputError: Nothing may be sent to this address.
    """
    check_url(url, private=private, setting=PRIVATE_BY)
    secret = make_secret(secrets.token_bytes(_SECRET_BYTES))
    made = Webhook(
        id=new_id(),
        url=url,
        means=means,
        kinds=tuple(dict.fromkeys(kinds)),
        made_by=made_by,
        made_at=now,
        ended_at=None,
    )
    values = asdict(made) | {"kinds": [kind.value for kind in made.kinds]}
    await tx.execute(insert(_hooks).values(**values, brand_id=brand_id, secret=secret))
    return made, secret


async def list_webhooks(tx: AsyncSession, brand_id: str) -> tuple[Webhook, ...]:
    """List the brand's addresses, also those that hear nothing any more, newest first."""
    query = select(_hooks).where(_hooks.c.brand_id == brand_id).order_by(_hooks.c.id.desc())
    return tuple(_webhook(row) for row in (await tx.execute(query)).all())


async def end_webhook(tx: AsyncSession, brand_id: str, webhook_id: str, *, now: datetime) -> None:
    """End an address: nothing more goes there, its secret is forgotten. Twice changes nothing.

    Raises:
        NotFoundError: The brand has no such address.
    """
    query = select(_hooks).where(_hooks.c.id == webhook_id, _hooks.c.brand_id == brand_id)
    row = (await tx.execute(query.with_for_update())).one_or_none()
    if row is None:
        raise NotFoundError("no such webhook")
    if row.ended_at is None:
        await close(tx, webhook_id, answer="ended", now=now)


async def close(tx: AsyncSession, webhook_id: str, *, answer: str, now: datetime) -> None:
    """End an address whose row the caller may change, and what still waits for it."""
    await tx.execute(
        update(_hooks)
        .where(_hooks.c.id == webhook_id, _hooks.c.ended_at.is_(None))
        .values(ended_at=now, secret="")
    )
    await tx.execute(
        update(_calls)
        .where(_calls.c.webhook_id == webhook_id, _calls.c.done_at.is_(None))
        .values(done_at=now, answer=answer)
    )


async def list_calls(
    tx: AsyncSession,
    brand_id: str,
    webhook_id: str,
    *,
    state: str = "",
    after: str = "",
    limit: int = 50,
) -> tuple[Call, ...]:
    """List what an address was told, in that order; `state` leaves only those in it.

    Raises:
        NotFoundError: The brand has no such address.
    """
    mine = select(_hooks.c.id).where(_hooks.c.id == webhook_id, _hooks.c.brand_id == brand_id)
    if (await tx.execute(mine)).one_or_none() is None:
        raise NotFoundError("no such webhook")
    query = select(_calls).where(_calls.c.webhook_id == webhook_id, _calls.c.id > after)
    taken = _calls.c.answer.startswith(TAKEN)
    if state == "waiting":
        query = query.where(_calls.c.done_at.is_(None))
    elif state:
        query = query.where(_calls.c.done_at.is_not(None), taken if state == "taken" else ~taken)
    rows = (await tx.execute(query.order_by(_calls.c.id).limit(limit))).all()
    return tuple(_call(row) for row in rows)


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        url=row.url,
        means=row.means,
        kinds=tuple(HookKind(kind) for kind in row.kinds),
        made_by=row.made_by,
        made_at=row.made_at,
        ended_at=row.ended_at,
    )


def _call(row: Row[Any]) -> Call:
    done = "taken" if row.answer.startswith(TAKEN) else "given_up"
    return Call(
        id=row.id,
        webhook_id=row.webhook_id,
        kind=row.kind,
        state="waiting" if row.done_at is None else done,
        tries=row.tries,
        answer=row.answer,
        created_at=row.created_at,
        due_at=row.due_at if row.done_at is None else None,
        done_at=row.done_at,
    )
