"""Where an applicant can be reached: whether he would hear of the end, and how he is answered."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.cases import ReplyWay
from tellal.domain.channels import Channel
from tellal.domain.errors import ConflictError
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ContactPointRow

_points = table(ContactPointRow)


async def is_on(tx: AsyncSession, customer_id: str, channels: Collection[Channel]) -> bool:
    """Say whether an applicant has an address on one of some channels that is not known as bad."""
    query = exists().where(
        _points.c.customer_id == customer_id,
        _points.c.channel.in_([channel.value for channel in channels]),
        _points.c.bad_reason == "",
    )
    return bool((await tx.execute(select(query))).scalar_one())


async def check_way(tx: AsyncSession, case: Row[Any], way: ReplyWay | None) -> None:
    """Refuse a reply by another way than the one that the applicant asked for (E16, E35).

    A letter stands in for an e-mail to somebody whose address is not known. Who asked for a call is
    written to only when nobody reached him, and then by either way (E43).

    Raises:
        ConflictError: He asked for the other way.
    """
    asked = ReplyWay(case.reply_by) if case.reply_by else way
    if asked in {way, ReplyWay.PHONE}:
        return
    if asked is ReplyWay.EMAIL and not await is_on(tx, case.customer_id, {Channel.EMAIL}):
        return
    raise ConflictError(
        f"the applicant asked to be answered by {asked}",
        code="other_way_asked",
        hint=f"reply with way: {asked}",
    )
