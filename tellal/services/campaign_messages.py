"""Counts where the messages of a campaign's rounds are, what they cost and when they left.

One scan groups by everything at once, and what a report shows is summed up from the groups.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Integer, Row, Select, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.delivery_codes import words_of
from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import CampaignRoundRow
from tellal.persistence.tables.ledger import MessageRow

_rounds = table(CampaignRoundRow).c
_messages = table(MessageRow).c

_S = MessageState
UNDELIVERED = (_S.UNDELIVERED.value, _S.FAILED.value)
"""The states of a message that was lost on its way."""
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "waiting": (_S.DEFERRED.value, _S.QUEUED.value, _S.HANDING_OVER.value),
    "handed_over": (_S.ACCEPTED.value, _S.SENT.value),
    "delivered": (_S.DELIVERED.value,),
    "undelivered": UNDELIVERED,
    "expired": (_S.EXPIRED.value,),
    "cancelled": (_S.CANCELLED.value,),
    "unknown": (_S.UNKNOWN.value,),
}
_BIN_S = 15 * 60
"""Zones differ by quarters of an hour; SQL converts none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Messages by where they are; a person may get several, one over each channel tried.

    `handed_over` are with a provider that has not told more, `undelivered` were lost on their way
    or refused by it. `cost` is what those taken by a provider cost, by currency.
    """

    messages: int
    waiting: int
    handed_over: int
    delivered: int
    undelivered: int
    expired: int
    cancelled: int
    unknown: int
    cost: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Why messages did not arrive: a provider's code, and what it means."""

    provider: str
    code: str
    words: str
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """Messages that were handed over within an hour."""

    begins: datetime
    messages: Messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Messages of some rounds, by what a report groups them by.

    `cost` is what was taken by a provider, `to_return` the part of it that did not arrive; in a
    report of a brand with an account of credit, what was refunded of it.
    `unpriced` were taken by a provider of which nobody has written down what it asks.
    """

    totals: Messages
    by_channel: Mapping[str, Messages]
    by_route: Mapping[str, Messages]
    by_step: Mapping[str, Messages]
    by_variant: Mapping[str, Messages]
    by_hour: tuple[Hour, ...]
    by_local_hour: tuple[Hour, ...]
    undelivered: tuple[Lost, ...]
    cost: Mapping[str, Decimal]
    to_return: Mapping[str, Decimal]
    unpriced: int
    segments: int
    first_handed_at: datetime | None
    last_handed_at: datetime | None


async def count_messages(tx: AsyncSession, causes: Sequence[str], zone: str) -> Sent:
    """Count the messages of some causes; hours are those of UTC and of a zone."""
    rows = (await tx.execute(_of_messages(causes))).all()
    lost: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.state in UNDELIVERED:
            key = (row.provider, row.code)
            lost[key] = lost.get(key, 0) + row.number
    handed = [row for row in rows if row.bin is not None]
    period = select(func.min(_messages.handed_at), func.max(_messages.handed_at))
    first, last = (await tx.execute(period.where(_messages.cause_id.in_(causes)))).one()
    return Sent(
        totals=_sent(rows, lambda _: "").get("", NONE_SENT),
        by_channel=_sent(rows, lambda row: row.channel),
        by_route=_sent(handed, lambda row: row.route),
        by_step=_sent(rows, lambda row: str(row.step)),
        by_variant=_sent(rows, lambda row: row.variant),
        by_hour=_by_hour(handed, ZoneInfo("UTC")),
        by_local_hour=_by_hour(handed, ZoneInfo(zone)),
        undelivered=tuple(
            Lost(provider=provider, code=code, words=words_of(provider, code), messages=number)
            for (provider, code), number in sorted(lost.items(), key=_most_first)
        ),
        cost=_cost(rows),
        to_return=_cost([row for row in rows if row.state in UNDELIVERED]),
        unpriced=sum(row.unpriced for row in rows),
        segments=sum(row.segments for row in rows),
        first_handed_at=first,
        last_handed_at=last,
    )


def _of_messages(causes: Sequence[str]) -> Select[Any]:
    handed = _messages.handed_at.is_not(None)
    seconds = func.extract("epoch", _messages.handed_at)
    bin_ = cast(func.floor(seconds / text(str(_BIN_S))), Integer).label("bin")
    lost_code = func.coalesce(_messages.code, "").label("code")
    keys = (
        _rounds.step,
        _rounds.variant,
        _messages.channel,
        _messages.route,
        _messages.provider,
        _messages.state,
        lost_code,
        _messages.currency,
        bin_,
    )
    return (
        select(
            *keys,
            func.count().label("number"),
            func.coalesce(func.sum(_messages.cost).filter(handed), 0).label("cost"),
            func.count().filter(handed, _messages.cost.is_(None)).label("unpriced"),
            func.coalesce(func.sum(_messages.segments).filter(handed), 0).label("segments"),
        )
        .select_from(table(MessageRow))
        .join(table(CampaignRoundRow), _rounds.cause_id == _messages.cause_id)
        .where(_messages.cause_id.in_(causes))
        .group_by(*keys)
    )


NONE_SENT = Messages(messages=0, cost={}, **dict.fromkeys(_GROUPS, 0))


def _sent(rows: Iterable[Row[Any]], by: Callable[[Row[Any]], str]) -> dict[str, Messages]:
    found: dict[str, list[Row[Any]]] = {}
    for row in rows:
        found.setdefault(by(row), []).append(row)
    return {name: _sums(some) for name, some in sorted(found.items())}


def _sums(rows: Sequence[Row[Any]]) -> Messages:
    numbers = {
        name: sum(row.number for row in rows if row.state in states)
        for name, states in _GROUPS.items()
    }
    return Messages(messages=sum(numbers.values()), cost=_cost(rows), **numbers)


def _cost(rows: Sequence[Row[Any]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for row in rows:
        if row.currency and row.cost:
            found[row.currency] = found.get(row.currency, Decimal(0)) + row.cost
    return dict(sorted(found.items()))


def _by_hour(rows: Sequence[Row[Any]], zone: ZoneInfo) -> tuple[Hour, ...]:
    """Sum up by the hours of a zone; when clocks go back, the hour comes twice."""
    found: dict[datetime, list[Row[Any]]] = {}
    for row in rows:
        at = datetime.fromtimestamp(row.bin * _BIN_S, tz=UTC)
        past = timedelta(minutes=at.astimezone(zone).minute)
        found.setdefault(at - past, []).append(row)
    return tuple(
        Hour(begins=begins.astimezone(zone), messages=_sums(some))
        for begins, some in sorted(found.items())
    )


def _most_first(item: tuple[Any, int]) -> tuple[int, Any]:
    return -item[1], item[0]
