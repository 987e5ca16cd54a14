"""What a campaign's messages annoyed: refusals and complaints that came of them.

What names a message of the campaign (one click, a keyword, a complaint) counts whenever it came. A
consent taken back over the same channel without naming a message counts apart, if it came within
`AFTER` of one: it may have had another reason. The brand's whole report is `annoyance`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, Select, exists, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.customers import ConsentState
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ComplaintRow, ConsentRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.refusing import InboundEffectRow
from tellal.services.annoyance import LONGEST
from tellal.services.campaign_messages import Sent

_messages = table(MessageRow).c
_consents = table(ConsentRow).c
_complaints = table(ComplaintRow).c
_effects = table(InboundEffectRow).c

AFTER = timedelta(days=30)
"""How long after a message a consent that is taken back may have to do with it."""

_REFUSED = _consents.state == text(f"'{ConsentState.REFUSED.value}'")


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignAnnoyance:
    """People whom the campaign annoyed, each counted once in each number.

    `refused` named one of its messages, `refused_after` took the same channel's consent back within
    `after_days` without naming any. Rates are per thousand messages that a provider took. `report`
    is the address of the brand's report over the same time.
    """

    refused: int
    refused_after: int
    complained: int
    after_days: int
    refused_per_thousand: float | None
    complained_per_thousand: float | None
    report: str


async def campaign_annoyance(
    tx: AsyncSession, brand_id: str, causes: Sequence[str], sent: Sent, now: datetime
) -> CampaignAnnoyance:
    """Count whom some causes annoyed."""
    first, last = sent.first_handed_at, sent.last_handed_at
    refused = refused_after = complained = 0
    if first is not None and last is not None:
        ours = _messages.cause_id.in_(causes)
        refused = await _number(tx, _named(brand_id, ours, first))
        refused_after = await _number(tx, _unnamed(brand_id, ours, first, last + AFTER))
        complained = await _number(tx, _complained(ours))
    taken = sent.totals.messages - sent.totals.waiting - sent.totals.expired - sent.totals.cancelled
    return CampaignAnnoyance(
        refused=refused,
        refused_after=refused_after,
        complained=complained,
        after_days=AFTER.days,
        refused_per_thousand=_per_thousand(refused, taken),
        complained_per_thousand=_per_thousand(complained, taken),
        report=_address(first, last, now),
    )


def _named(brand_id: str, ours: ColumnElement[bool], first: datetime) -> Select[Any]:
    """Select who refused, naming a message of ours: by one click, at the carrier, by a keyword."""
    named = _consents.evidence["message"].as_string()
    by_consent = (
        select(_consents.customer_id)
        .join(table(MessageRow), _messages.id == named)
        .where(_consents.brand_id == brand_id, _REFUSED, _consents.recorded_at >= first, ours)
    )
    by_keyword = (
        select(_effects.customer_id)
        .join(table(MessageRow), _messages.id == _effects.message_id)
        .where(_effects.brand_id == brand_id, _effects.did == "refused", ours)
    )
    return by_consent.union(by_keyword).subquery().select()


def _unnamed(
    brand_id: str, ours: ColumnElement[bool], first: datetime, until: datetime
) -> Select[Any]:
    """Select who refused a channel soon after a message of ours over it, for a reason unknown."""
    lately = exists().where(
        ours,
        _messages.customer_id == _consents.customer_id,
        _messages.channel == _consents.channel,
        _messages.handed_at <= _consents.recorded_at,
        _messages.handed_at > _consents.recorded_at - literal(AFTER),
    )
    names_one = exists().where(
        table(MessageRow).alias("named").c.id == _consents.evidence["message"].as_string()
    )
    by_keyword = exists().where(
        _effects.consent_id == _consents.id, _effects.message_id.is_not(None)
    )
    return (
        select(_consents.customer_id)
        .where(
            _consents.brand_id == brand_id,
            _REFUSED,
            _consents.recorded_at >= first,
            _consents.recorded_at < until,
            lately,
            ~or_(names_one, by_keyword),
        )
        .distinct()
    )


def _complained(ours: ColumnElement[bool]) -> Select[Any]:
    return (
        select(_complaints.customer_id)
        .join(table(MessageRow), _messages.id == _complaints.message_id)
        .where(ours)
        .distinct()
    )


async def _number(tx: AsyncSession, people: Select[Any]) -> int:
    query = select(func.count()).select_from(people.subquery())
    return int((await tx.execute(query)).scalar_one())


def _per_thousand(number: int, messages: int) -> float | None:
    return round(1000 * number / messages, 3) if messages else None


def _address(first: datetime | None, last: datetime | None, now: datetime) -> str:
    """Return where the brand's annoyance over the campaign's time is to be read."""
    if first is None or last is None:
        return ""
    ends = max(min(last + AFTER, now), first + timedelta(hours=1))
    begins = max(first, ends - LONGEST)
    period = {"from": begins.isoformat(), "until": ends.isoformat()}
    return f"/v1/reports/annoyance?{urlencode(period)}"
