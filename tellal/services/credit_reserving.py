"""Reserves what messages cost, in the transaction that commits the intents to send them.

An account is one row, and lanes must not wait in turn for it. It holds because of three things.
A claim touches the row once per account, whatever the number of its messages: one conditional
UPDATE takes the sum of the batch if there is enough, and only where there is not are the messages
looked at one by one. It is among the last statements of the claim, so the row is locked for the
writing of the intents and the commit, some milliseconds. And nobody else touches it but who pays in
or gathers: settling takes nothing from what is available, and what is given back waits in its
reservation, which belongs to its message alone, until somebody who holds the row gathers it
(`gathered`). The row is the last lock that a transaction takes, accounts by their ids, so no
dead-lock is possible.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Integer,
    Row,
    String,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.credit import EntryKind, Want, affordable, crossed
from tellal.domain.messages import OutgoingMessage
from tellal.ids import new_id
from tellal.persistence.bulk import arrays, given
from tellal.persistence.columns import Instant, table
from tellal.persistence.tables.credit import (
    MONEY,
    CreditAccountRow,
    CreditAlertRow,
    CreditEntryRow,
    CreditReservationRow,
)
from tellal.persistence.tables.ledger import MessageRow

_accounts = table(CreditAccountRow)
_entries = table(CreditEntryRow)
_reservations = table(CreditReservationRow)
_alerts = table(CreditAlertRow)
_messages = table(MessageRow)

BY = "tellal"
"""Who writes the lines that follow messages."""

WAYS = ("sms", "email")

_ACCOUNT = bindparam("account", type_=String())
_SUM = bindparam("sum", type_=MONEY)
TAKE = (
    update(_accounts)
    .where(
        _accounts.c.id == _ACCOUNT,
        _accounts.c.available - _SUM >= _accounts.c.alert_reserve,
    )
    .values(available=_accounts.c.available - _SUM)
    .returning(_accounts.c.available, _accounts.c.armed)
)
"""Takes a sum if that leaves what is kept for alerts."""
_TAKE_ANYHOW = (
    update(_accounts)
    .where(_accounts.c.id == _ACCOUNT)
    .values(available=_accounts.c.available - _SUM)
    .returning(_accounts.c.available, _accounts.c.armed)
)
_LOCK = select(_accounts.c.id).where(_accounts.c.id == _ACCOUNT).with_for_update(key_share=True)
_BACK = (
    delete(_reservations)
    .where(_reservations.c.account_id == _ACCOUNT, _reservations.c.returned)
    .returning(_reservations.c.amount)
    .cte("back")
)
_GATHER = (
    update(_accounts)
    .where(_accounts.c.id == _ACCOUNT)
    .values(
        available=_accounts.c.available
        + func.coalesce(select(func.sum(_BACK.c.amount)).scalar_subquery(), 0)
    )
    .returning(_accounts)
)

_GIVEN = given(entry=String(), message=String(), attempt=Integer(), amount=MONEY)
_RESERVED = (
    insert(_reservations)
    .from_select(
        ["message_id", "attempt", "account_id", "brand_id", "amount", "returned", "at"],
        select(
            _GIVEN.c.message,
            _GIVEN.c.attempt,
            _ACCOUNT,
            bindparam("brand", type_=String()),
            _GIVEN.c.amount,
            literal(False),  # noqa: FBT003 - a value
            bindparam("now", type_=Instant()),
        ),
    )
    .cte("reserved")
)
_RESERVE = (
    insert(_entries)
    .from_select(
        ["id", "brand_id", "account_id", "kind", "amount", "message_id", "note", "by", "at"],
        select(
            _GIVEN.c.entry,
            bindparam("brand", type_=String()),
            _ACCOUNT,
            literal(EntryKind.RESERVE.value),
            _GIVEN.c.amount,
            _GIVEN.c.message,
            literal(""),
            literal(BY),
            bindparam("now", type_=Instant()),
        ),
    )
    .add_cte(_RESERVED)
)

_UNPAID = given(
    message=String(), account=String(), segments=Integer(), cost=MONEY, currency=String()
)
_KEEP_BACK = (
    update(_messages)
    .where(_messages.c.id == _UNPAID.c.message)
    .values(
        held_by=_UNPAID.c.account,
        segments=_UNPAID.c.segments,
        cost=_UNPAID.c.cost,
        currency=_UNPAID.c.currency,
        code="no_credit",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an attempt of a message would cost a brand, in a currency."""

    want: Want
    attempt: int
    brand_id: str
    currency: str


def held_for(account_id: str) -> str:
    """Return what stands in `held_by` of a message that an account cannot pay for."""
    return f"credit:{account_id}"


async def pay(
    tx: AsyncSession,
    intents: Sequence[OutgoingMessage],
    brands: Mapping[str, str],
    now: datetime,
) -> frozenset[str]:
    """Reserve what messages cost; return the ids of those that wait because nobody pays for them.

    `brands` says whose each message is. Where a brand has no account in the currency of a price,
    nothing is asked; nor of a message without a price.
    """
    asked = [
        Asked(
            want=Want(
                message_id=one.id,
                cost=one.cost,
                mandatory=one.message_class == "mandatory",
            ),
            attempt=one.attempt,
            brand_id=brands[one.id],
            currency=one.currency,
        )
        for one in intents
        if one.cost
    ]
    unpaid = await reserve(tx, asked, now)
    if unpaid:
        kept = [
            {
                "message": one.id,
                "account": held_for(unpaid[one.id]),
                "segments": one.segments,
                "cost": one.cost,
                "currency": one.currency,
            }
            for one in intents
            if one.id in unpaid
        ]
        await tx.execute(_KEEP_BACK, arrays(kept))
    return frozenset(unpaid)


async def reserve(tx: AsyncSession, asked: Sequence[Asked], now: datetime) -> dict[str, str]:
    """Reserve in the order in which it is asked; return by message which account could not pay."""
    if not asked:
        return {}
    of_brands = _accounts.c.brand_id.in_({one.brand_id for one in asked})
    accounts = await tx.execute(select(_accounts).where(of_brands).order_by(_accounts.c.id))
    unpaid: dict[str, str] = {}
    for account in accounts.all():
        wanted = {
            one.want.message_id: one
            for one in asked
            if (one.brand_id, one.currency) == (account.brand_id, account.currency)
        }
        if not wanted:
            continue
        paid = await _take(tx, account, [one.want for one in wanted.values()], now)
        await _write(tx, account, [wanted[one.message_id] for one in paid], now)
        left = wanted.keys() - {one.message_id for one in paid}
        unpaid |= dict.fromkeys(left, account.id)
    return unpaid


async def reserve_for_alert(
    tx: AsyncSession, account: Row[Any], want: Want, attempt: int, now: datetime
) -> bool:
    """Reserve what telling an account's own person costs, also from what is kept for that.

    `account` is as `gathered` returned it in this transaction.
    """
    if want.cost > account.available and not account.may_go_negative:
        return False
    left = (await tx.execute(_TAKE_ANYHOW, {"account": account.id, "sum": want.cost})).one()
    asked = Asked(want=want, attempt=attempt, brand_id=account.brand_id, currency=account.currency)
    await _write(tx, account, [asked], now)
    await _watch(tx, account.id, left, now)
    return True


async def gathered(tx: AsyncSession, account_id: str) -> Row[Any]:
    """Lock an account, add what was given back to what is available, and return the row."""
    await tx.execute(_LOCK, {"account": account_id})
    account: Row[Any] = (await tx.execute(_GATHER, {"account": account_id})).one()
    return account


async def note_crossings(tx: AsyncSession, account: Row[Any], now: datetime) -> None:
    """Note which thresholds were crossed; the caller has the account as `gathered` returned it.

    A threshold is told of once until a top-up lifts what is available to it again: it is armed no
    more, and who could note it twice waits for the same row.
    """
    below = crossed(account.armed, account.available)
    if not below:
        return
    armed = [one for one in account.armed if one not in below]
    await tx.execute(update(_accounts).where(_accounts.c.id == account.id).values(armed=armed))
    addresses = {"sms": account.mobile, "email": account.email}
    rows = [
        {
            "id": new_id(),
            "account_id": account.id,
            "brand_id": account.brand_id,
            "way": way,
            "threshold": threshold,
            "available": account.available,
            "state": "due" if threshold == below[0] else "covered",
            "crossed_at": now,
        }
        for threshold in below
        for way in WAYS
        if addresses[way]
    ]
    if rows:
        await tx.execute(insert(_alerts), rows)


async def _take(
    tx: AsyncSession, account: Row[Any], wants: Sequence[Want], now: datetime
) -> Sequence[Want]:
    parameters = {"account": account.id, "sum": sum((one.cost for one in wants), Decimal(0))}
    left = (await tx.execute(TAKE, parameters)).one_or_none()
    paid = wants
    if left is None:
        whole = await gathered(tx, account.id)
        paid = affordable(
            wants,
            whole.available,
            kept=whole.alert_reserve,
            may_go_negative=whole.may_go_negative,
        )
        parameters["sum"] = sum((one.cost for one in paid), Decimal(0))
        left = (await tx.execute(_TAKE_ANYHOW, parameters)).one()
    await _watch(tx, account.id, left, now)
    return paid


async def _watch(tx: AsyncSession, account_id: str, left: Row[Any], now: datetime) -> None:
    """Look closer when a threshold seems to be crossed: what was given back counts, too."""
    if crossed(left.armed, left.available):
        await note_crossings(tx, await gathered(tx, account_id), now)


async def _write(tx: AsyncSession, account: Row[Any], paid: Sequence[Asked], now: datetime) -> None:
    if not paid:
        return
    rows = [
        {
            "entry": new_id(),
            "message": one.want.message_id,
            "attempt": one.attempt,
            "amount": one.want.cost,
        }
        for one in paid
    ]
    parameters = {"account": account.id, "brand": account.brand_id, "now": now}
    await tx.execute(_RESERVE, {**arrays(rows), **parameters})
