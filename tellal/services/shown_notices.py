"""Information notices: which was shown to whom, when and by which way.

A notice informs, and is no consent to anything (KVKK article 10, GDPR articles 13 and 14). Nothing
else reads this table: neither explicit consents nor consents to messages follow from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.errors import InvalidInputError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer_id
from tellal.persistence.tables.privacy import ShownNoticeRow

_notices = table(ShownNoticeRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeInput:
    """A notice as it was shown; now, unless `shown_at` says when."""

    notice: str
    version: str
    language: str
    way: str
    shown_at: datetime | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNotice:
    """That a notice was shown."""

    id: str
    notice: str
    version: str
    language: str
    way: str
    details: Mapping[str, object]
    shown_at: datetime
    recorded_at: datetime
    recorded_by: str


_SHOWN = tuple(part.name for part in fields(ShownNotice))


class ShownNotices:
    """Records notices; rows are only added."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def record(
        self, tx: AsyncSession, brand_id: str, ref: str, said: NoticeInput, *, by: str
    ) -> ShownNotice:
        """Record that a notice was shown to a customer.

        Raises:
            NotFoundError: The brand has no such customer.
            InvalidInputError: It would have been shown in the future.
        """
        customer_id = await find_customer_id(tx, brand_id, ref)
        now = self._clock.now()
        shown_at = said.shown_at or now
        if shown_at > now:
            raise InvalidInputError("it cannot have been shown in the future", field="shown_at")
        statement = insert(_notices).values(
            id=new_id(),
            brand_id=brand_id,
            customer_id=customer_id,
            notice=said.notice,
            version=said.version,
            language=said.language,
            way=said.way,
            details=dict(said.details),
            shown_at=shown_at,
            recorded_at=now,
            recorded_by=by,
        )
        return _view((await tx.execute(statement.returning(_notices))).one())

    async def page(
        self, tx: AsyncSession, brand_id: str, ref: str, *, after: str, limit: int
    ) -> list[ShownNotice]:
        """Read which notices were shown to a customer, in the order in which they were recorded.

        Raises:
            NotFoundError: The brand has no such customer.
        """
        customer_id = await find_customer_id(tx, brand_id, ref)
        query = (
            select(_notices)
            .where(_notices.c.customer_id == customer_id, _notices.c.id > after)
            .order_by(_notices.c.id)
            .limit(limit)
        )
        return [_view(row) for row in await tx.execute(query)]


def _view(row: Row[Any]) -> ShownNotice:
    return ShownNotice(**{name: getattr(row, name) for name in _SHOWN})
