"""Nothing is promoted to whom an outage affects, until it is over; everything else leaves."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.customers import Brand
from tellal.domain.handover import Carrier
from tellal.domain.messages import MessageState
from tellal.domain.outages import OutageCommand
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.outages import OutageNoticeRow
from tellal.services.affected import LOOK_AGAIN, affected_among
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer
from tests.support.desk import CARRIERS, a_desk
from tests.support.house import SetClock
from tests.support.ledger import a_message, message, set_cause
from tests.support.outages import IN_TEPEBASI, confirmed, decided, declared, resolved

_messages = table(MessageRow)
PROMOTED = MessageClass.COMMERCIAL


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        return await a_brand(tx, "porsuk-edas")


async def person(house: House, brand: Brand, ref: str = "in", **said: Any) -> str:  # noqa: ANN401
    values = {"facts": IN_TEPEBASI, "consents": {Channel.SMS: "granted"}, **said}
    async with house.sessions() as tx, tx.begin():
        return await a_customer(tx, brand, ref, **values)


async def waiting(
    house: House,
    brand: Brand,
    customer_id: str,
    message_class: MessageClass = PROMOTED,
) -> str:
    """Put a message for somebody into the lane of journeys, due for a day."""
    now = house.clock.now()
    async with house.sessions() as tx, tx.begin():
        return await a_message(
            tx,
            brand,
            customer_id=customer_id,
            message_class=message_class,
            not_before=now,
            expires_at=now + timedelta(days=1),
        )


async def claimed(sessions: Sessions, clock: SetClock, message_ids: Sequence[str]) -> set[str]:
    """Claim what is due and say which of some messages leave."""
    simulator = Carrier(provider="simulated", receipts=Receipts.DELIVERY, looks_up=False)
    desk = a_desk(sessions, clock, carriers={**CARRIERS, "simulated": simulator})
    await desk.promote(Lane.JOURNEYS)
    found = {one.id for one in await desk.claim(Lane.JOURNEYS, 50)}
    return found & set(message_ids)


async def test_a_promotion_waits_until_the_outage_is_over(
    house: House, sessions: Sessions, clock: SetClock, brand: Brand
) -> None:
    customer_id = await person(house, brand)
    promotion = await waiting(house, brand, customer_id)
    service = await waiting(house, brand, customer_id, MessageClass.SERVICE)
    outage = await confirmed(house, brand)
    await decided(house, outage)

    during = await claimed(sessions, clock, [promotion, service])
    put_off = await message(sessions, promotion)
    clock.pass_by(LOOK_AGAIN)
    still = await claimed(sessions, clock, [promotion])
    await resolved(house, brand, outage)
    clock.pass_by(LOOK_AGAIN)
    after = await claimed(sessions, clock, [promotion])

    assert during == {service}
    assert (put_off.state, put_off.code) == ("deferred", "outage")
    assert put_off.not_before == put_off.state_at + LOOK_AGAIN
    assert still == set()
    assert after == {promotion}


async def test_a_promotion_that_waits_too_long_expires(
    house: House, sessions: Sessions, clock: SetClock, brand: Brand
) -> None:
    promotion = await waiting(house, brand, await person(house, brand))
    await decided(house, await confirmed(house, brand))
    await claimed(sessions, clock, [promotion])

    clock.pass_by(timedelta(days=1, minutes=1))
    left = await claimed(sessions, clock, [promotion])

    assert left == set()
    assert (await message(sessions, promotion)).state == MessageState.EXPIRED


async def test_whom_it_does_not_affect_is_not_kept_waiting(
    house: House, sessions: Sessions, clock: SetClock, brand: Brand
) -> None:
    async with house.sessions() as tx, tx.begin():
        other_brand = await a_brand(tx, "another")
    elsewhere = await person(house, brand, "out", facts={"customer.district": "odunpazari"})
    others = await person(house, other_brand)
    promotions = [
        await waiting(house, brand, elsewhere),
        await waiting(house, other_brand, others),
    ]
    await person(house, brand)
    await decided(house, await confirmed(house, brand))

    assert await claimed(sessions, clock, promotions) == set(promotions)


@pytest.mark.parametrize("how", ["suspected", "rehearsed", "announced"])
async def test_what_is_not_there_yet_or_only_rehearsed_holds_nothing_up(
    house: House, sessions: Sessions, clock: SetClock, brand: Brand, how: str
) -> None:
    promotion = await waiting(house, brand, await person(house, brand))
    match how:
        case "suspected":
            outage = await declared(house, brand)
        case "rehearsed":
            outage = await confirmed(house, brand, simulated=True)
        case _:
            begins = clock.now() + timedelta(days=4)
            outage = await declared(
                house,
                brand,
                incident="planned_power",
                starts_at=begins,
                expected_end=begins + timedelta(hours=1),
                variables={},
            )
            async with house.sessions() as tx, tx.begin():
                await house.outages.announce(tx, brand=brand, outage_id=outage.id, by="ada")
    await decided(house, outage)

    assert await claimed(sessions, clock, [promotion]) == {promotion}


async def test_a_rehearsed_promotion_leaves_for_the_simulator_all_the_same(
    house: House, sessions: Sessions, clock: SetClock, brand: Brand
) -> None:
    promotion = await waiting(house, brand, await person(house, brand))
    async with house.sessions() as tx, tx.begin():
        change = update(_messages).where(_messages.c.id == promotion)
        await tx.execute(change.values(simulated=True))
    await decided(house, await confirmed(house, brand))

    assert await claimed(sessions, clock, [promotion]) == {promotion}


async def test_works_hold_promotions_up_from_their_beginning_to_their_end(
    house: House, clock: SetClock, brand: Brand
) -> None:
    customer_id = await person(house, brand)
    begins = clock.now() + timedelta(days=3)
    outage = await declared(
        house,
        brand,
        incident="planned_power",
        starts_at=begins,
        expected_end=begins + timedelta(hours=1),
        variables={},
    )
    async with house.sessions() as tx, tx.begin():
        await house.outages.announce(tx, brand=brand, outage_id=outage.id, by="ada")
    await decided(house, outage)
    found = []

    for at in (begins - timedelta(seconds=1), begins):
        clock.at = at
        await decided(house, outage)
        found.append(await affected(house, brand, customer_id))
    async with house.sessions() as tx, tx.begin():
        await house.outages.end(
            tx, brand=brand, outage_id=outage.id, command=OutageCommand.COMPLETE, by="ada"
        )
    found.append(await affected(house, brand, customer_id))

    assert found == [False, True, False]


async def test_who_heard_of_it_by_a_round_that_was_superseded_is_still_affected(
    house: House, brand: Brand
) -> None:
    customer_id = await person(house, brand)
    outage = await confirmed(house, brand)
    await decided(house, outage)
    async with house.sessions() as tx, tx.begin():
        for cause_id in await causes(tx):
            await set_cause(tx, cause_id, "stopped")

    assert await affected(house, brand, customer_id)


async def affected(house: House, brand: Brand, customer_id: str) -> bool:
    async with house.sessions() as tx:
        return bool(await affected_among(tx, {brand.id}, {customer_id}))


async def causes(tx: Any) -> list[str]:  # noqa: ANN401 - a session
    return list((await tx.execute(select(table(OutageNoticeRow).c.cause_id))).scalars())
