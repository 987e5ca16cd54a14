"""Answers that people send to our numbers: who is still without after an all-clear says so."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.messages import REACHED
from tellal.domain.outages import ENDED, NoticeKind
from tellal.domain.replies import means_still_out
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import ContactPointRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.outages import OutageNoticeRow, OutageRow
from tellal.services.signals import Signals

_brands = table(BrandRow)
_points = table(ContactPointRow)
_messages = table(MessageRow)
_notices = table(OutageNoticeRow)
_outages = table(OutageRow)

_ANSWERS_WITHIN = timedelta(hours=48)


class Replies:
    """Works in what people write back by text message."""

    def __init__(self, signals: Signals, clock: Clock) -> None:
        self._signals = signals
        self._clock = clock

    async def take(self, tx: AsyncSession, *, sender: str, text: str, reference: str) -> bool:
        """Take a reply in; say whether it opened an outage again for its sender.

        It belongs to the newest all-clear that his number got within two days, if that outage is
        still over. Whatever else people write is left to whom it is for.
        """
        if not means_still_out(text):
            return False
        told = await self._told_of_the_end(tx, sender)
        if told is None:
            return False
        await self._signals.still_out(
            tx,
            await read_brand(tx, told.brand_id),
            told.outage_id,
            customer_id=told.customer_id,
            source="reply",
            reference=reference,
            by="reply",
        )
        return True

    async def _told_of_the_end(self, tx: AsyncSession, sender: str) -> Row[Any] | None:
        brands = (await tx.execute(select(_brands.c.id))).scalars().all()
        query = (
            select(_messages.c.brand_id, _messages.c.customer_id, _notices.c.outage_id)
            .join(_notices, _notices.c.cause_id == _messages.c.cause_id)
            .join(_outages, _outages.c.id == _notices.c.outage_id)
            .join(_points, _points.c.id == _messages.c.contact_point_id)
            .where(
                _points.c.brand_id.in_(brands),
                func.lower(_points.c.address) == sender.lower(),
                _messages.c.channel == Channel.SMS.value,
                _messages.c.state.in_(sorted(REACHED)),
                _messages.c.handed_at >= self._clock.now() - _ANSWERS_WITHIN,
                _notices.c.kind == NoticeKind.ALL_CLEAR.value,
                _outages.c.state.in_([state.value for state in sorted(ENDED)]),
            )
            .order_by(_messages.c.id.desc())
            .limit(1)
        )
        found: Row[Any] | None = (await tx.execute(query)).one_or_none()  # type: ignore[assignment]
        return found
