"""Outages for tests: declared, confirmed, and their rounds decided as their workflow would."""

from typing import Any

from sqlalchemy import select, update

from tellal.domain.customers import Brand
from tellal.domain.messages import MessageState
from tellal.domain.outages import OutageCommand
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.outages import OutageNoticeRow
from tellal.services.house import House
from tellal.services.outage_sayings import Declaration, Go
from tellal.services.outage_views import OutageView

_messages = table(MessageRow)
_notices = table(OutageNoticeRow)

IN_TEPEBASI = {"customer.district": "tepebasi"}
VARIABLES = {"area": "Tepebaşı", "expected_end": "18:30", "workaround": "-", "hotline": "186"}


def declaration(**said: Any) -> Declaration:  # noqa: ANN401 - whatever a test is about
    """Say of an outage in one district what nobody needs to say in a test."""
    values = {"title": "Transformer", "segment": IN_TEPEBASI, "variables": VARIABLES}
    return Declaration(**{**values, "workaround": "186'yı arayın", **said})


async def declared(house: House, brand: Brand, **said: Any) -> OutageView:  # noqa: ANN401
    async with house.sessions() as tx, tx.begin():
        return await house.outages.declare(tx, brand=brand, said=declaration(**said), by="ada")


async def confirmed(
    house: House,
    brand: Brand,
    *,
    go: Go | None = None,
    **said: Any,  # noqa: ANN401
) -> OutageView:
    outage = await declared(house, brand, **said)
    async with house.sessions() as tx, tx.begin():
        return await house.outages.confirm(tx, brand=brand, outage_id=outage.id, go=go, by="ada")


async def resolved(house: House, brand: Brand, outage: OutageView) -> OutageView:
    async with house.sessions() as tx, tx.begin():
        return await house.outages.end(
            tx, brand=brand, outage_id=outage.id, command=OutageCommand.RESOLVE, by="ada"
        )


async def seen(house: House, brand: Brand, outage: OutageView) -> OutageView:
    async with house.sessions() as tx:
        return await house.outages.view(tx, brand.id, outage.id)


async def decided(house: House, outage: OutageView) -> None:
    """Do what an outage's workflow does until it waits."""
    while undecided := (await house.outage_desk.look(outage.id)).undecided:
        for notice_id in undecided:
            while await house.outage_desk.decide_chunk(notice_id):
                pass


async def messages_of(house: House, outage: OutageView, kind: str) -> list[Any]:
    """Return the messages of an outage's rounds of one kind, in their order."""
    query = (
        select(_messages)
        .join(_notices, _notices.c.cause_id == _messages.c.cause_id)
        .where(_notices.c.outage_id == outage.id, _notices.c.kind == kind)
        .order_by(_messages.c.customer_id, _messages.c.id)
    )
    async with house.sessions() as tx:
        return list((await tx.execute(query)).all())


async def handed_over(
    house: House, message_ids: list[str], state: MessageState = MessageState.ACCEPTED
) -> None:
    """Let messages be with a provider, as a lane would leave them."""
    async with house.sessions() as tx, tx.begin():
        await tx.execute(
            update(_messages)
            .where(_messages.c.id.in_(message_ids))
            .values(
                state=state.value,
                provider="twilio",
                receipts="delivery",
                handed_at=house.clock.now(),
            )
        )
