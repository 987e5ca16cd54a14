"""What the law lets go without a grant, or on one for a purpose, leaves until it is refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rules.decide import Decider
from rules.holder import RulebookHolder
from tellal.domain.channels import Lane
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, ConsentState
from tellal.persistence.session import Sessions
from tellal.services.consents import ConsentInput, Consents
from tellal.services.house import House, furnish
from templates.environment import JinjaRenderer
from tests.rules.writing import write
from tests.support.builders import a_brand, a_customer
from tests.support.desk import ROUTES, a_desk
from tests.support.house import SetClock
from tests.support.ledger import states

BOOK = """
topics:
  - {id: offer, means: An offer, class: commercial, on: [offered], expires: 1d, purposes: PURPOSES}
events:
  - {type: offered, means: Something is on offer}
channels:
  - {id: text, when: {topic: offer}, send: [sms]}
"""
YES, NO = ConsentState.GRANTED, ConsentState.REFUSED


def a_shop(sessions: Sessions, clock: SetClock, folder: Path, purposes: str) -> House:
    books = RulebookHolder(write(folder, BOOK.replace("PURPOSES", purposes)))
    return furnish(
        sessions=sessions,
        books=books,
        decider=Decider(None),
        renderer=JinjaRenderer(),
        clock=clock,
        routes=ROUTES,
    )


async def says(
    house: House, brand: Brand, state: ConsentState, purposes: Sequence[str] = ()
) -> None:
    said = ConsentInput(
        channel=ConsentChannel.SMS, state=state, source="branch", purposes=tuple(purposes)
    )
    async with house.sessions() as tx, tx.begin():
        await Consents(house.clock).record(tx, brand=brand, ref="ayse", said=said)


async def offered(house: House, brand: Brand) -> None:
    async with house.sessions() as tx, tx.begin():
        await house.events.record(tx, brand=brand, customer_ref="ayse", type="offered", payload={})


async def left(house: House) -> list[str]:
    await a_desk(house.sessions, house.clock).claim(Lane.JOURNEYS, 10)
    return list((await states(house.sessions)).values())


@pytest.mark.req("D26", "blocks")
@pytest.mark.req("D26", "allows")
@pytest.mark.parametrize(("kind", "expected"), [("merchant", ["handing_over"]), ("individual", [])])
async def test_who_needs_no_consent_in_law_is_written_to_without_one(
    sessions: Sessions, clock: SetClock, tmp_path: Path, kind: str, expected: list[str]
) -> None:
    house = a_shop(sessions, clock, tmp_path, "[]")
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, kind=kind)

    await offered(house, brand)

    assert await left(house) == expected


@pytest.mark.req("D27", "blocks")
async def test_who_refuses_meanwhile_gets_nothing_though_he_had_not_been_asked(
    sessions: Sessions, clock: SetClock, tmp_path: Path
) -> None:
    house = a_shop(sessions, clock, tmp_path, "[]")
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, kind="merchant")
    await offered(house, brand)

    await says(house, brand, NO)

    assert await left(house) == ["cancelled"]


@pytest.mark.req("D40", "blocks")
@pytest.mark.req("D40", "allows")
@pytest.mark.parametrize(
    ("then", "expected"),
    [
        pytest.param([], ["handing_over"], id="it stands"),
        pytest.param([(NO, ["news"])], ["cancelled"], id="taken back"),
        pytest.param([(NO, ["terms"])], ["handing_over"], id="another purpose is taken back"),
    ],
)
async def test_what_rests_on_a_grant_for_a_purpose_leaves_while_it_stands(
    sessions: Sessions,
    clock: SetClock,
    tmp_path: Path,
    then: list[tuple[ConsentState, list[str]]],
    expected: list[str],
) -> None:
    house = a_shop(sessions, clock, tmp_path, "[news]")
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand)
    await says(house, brand, YES, ["news", "terms"])
    await offered(house, brand)

    for state, purposes in then:
        await says(house, brand, state, purposes)

    assert await left(house) == expected
