"""How fast outages were told, from the first signal on."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.messages import OutcomeState
from tellal.domain.outages import OutageCommand
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.persistence.tables.outages import OutageNoticeRow
from tellal.services.house import House
from tellal.services.outage_reports import OutageReport, outage_report
from tellal.services.outage_sayings import Change, Go, Review
from tellal.services.outage_views import OutageView
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock
from tests.support.outages import (
    IN_TEPEBASI,
    confirmed,
    decided,
    declared,
    handed_over,
    messages_of,
    resolved,
)

pytestmark = pytest.mark.req("B14")

_notices = table(OutageNoticeRow)
_outcomes = table(OutcomeRow)
PEOPLE = 4


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        for n in range(PEOPLE):
            contacts = {Channel.SMS: f"+90535000000{n}"}
            await a_customer(tx, brand, f"in-{n}", contacts=contacts, facts=IN_TEPEBASI)
        return brand


async def report(house: House, brand: Brand) -> OutageReport:
    now = house.clock.now()
    async with house.sessions() as tx:
        return await outage_report(
            tx, brand.id, now - timedelta(days=1), now + timedelta(seconds=1)
        )


async def told(house: House, outage: OutageView, kind: str) -> None:
    """Let everybody of the rounds of a kind have heard of it."""
    texts = [m for m in await messages_of(house, outage, kind) if m.state == "queued"]
    await handed_over(house, [m.id for m in texts])
    causes = select(_notices.c.cause_id).where(
        _notices.c.outage_id == outage.id, _notices.c.kind == kind
    )
    async with house.sessions() as tx, tx.begin():
        open_ = _outcomes.c.state == OutcomeState.OPEN.value
        change = update(_outcomes).where(_outcomes.c.cause_id.in_(causes), open_)
        await tx.execute(change.values(state=OutcomeState.TOLD.value))


async def given(house: House, name: str, outage: OutageView, **said: Any) -> None:  # noqa: ANN401
    async with house.sessions() as tx, tx.begin():
        await getattr(house.outages, name)(tx, outage_id=outage.id, by="ada", **said)


@pytest.mark.req("B14", "allows")
async def test_it_says_how_long_each_step_took(house: House, brand: Brand, clock: SetClock) -> None:
    signal = clock.now()
    clock.pass_by(timedelta(minutes=2))
    outage = await declared(house, brand, incident="power_failure", first_signal_at=signal)
    clock.pass_by(timedelta(minutes=1))
    await given(house, "show", outage, brand=brand, text={})
    clock.pass_by(timedelta(minutes=4))
    await given(house, "confirm", outage, brand=brand, go=Go(break_glass="a hospital is dark"))
    await decided(house, outage)
    clock.pass_by(timedelta(seconds=30))
    await told(house, outage, "notice")
    clock.pass_by(timedelta(hours=1))
    await given(house, "update", outage, brand=brand, change=Change(workaround="Jeneratör var"))
    await decided(house, outage)
    await told(house, outage, "update")
    await resolved(house, brand, outage)
    await decided(house, outage)
    await told(house, outage, "all_clear")

    before = await report(house, brand)
    said = Review(what_happened="A fuse", what_was_late="", what_changes="A spare one")
    await given(house, "review", outage, brand=brand, said=said)
    after = await report(house, brand)

    [one] = before.outages
    assert (one.id, one.began_at) == (outage.id, signal)
    assert one.signal_to_public_s == 180
    assert one.signal_to_confirmed_s == 420
    assert one.confirmed_to_first_notice_s == 30
    assert one.lasted_s == 3630
    assert (one.audience, one.told, one.all_clears) == (PEOPLE, PEOPLE, PEOPLE)
    assert (one.broke_glass, before.broke_glass) == ("a hospital is dark", 1)
    assert (one.review_missing, before.reviews_missing) == (True, 1)
    assert after.reviews_missing == 0


async def test_the_first_notice_counts_though_it_was_an_update(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await confirmed(house, brand, incident="power_failure")
    await decided(house, outage)
    clock.pass_by(timedelta(minutes=1))
    await given(house, "update", outage, brand=brand, change=Change(workaround="Jeneratör var"))
    await decided(house, outage)
    await told(house, outage, "update")

    [one] = (await report(house, brand)).outages

    assert (one.confirmed_to_first_notice_s, one.told) == (60, PEOPLE)


@pytest.mark.req("B14", "blocks")
async def test_what_has_not_come_yet_is_no_number(house: House, brand: Brand) -> None:
    await declared(house, brand)

    found = await report(house, brand)

    [one] = found.outages
    assert (one.signal_to_public_s, one.signal_to_confirmed_s, one.lasted_s) == (None, None, None)
    assert (found.signal_to_public_s, found.confirmed_to_first_notice_s) == (None, None)
    assert (one.audience, one.told, one.pages, one.review_missing) == (0, 0, 0, False)


@pytest.mark.req("B14", "blocks")
@pytest.mark.req("B14", "allows")
async def test_the_median_is_of_failures_in_the_period_and_in_earnest(
    house: House, brand: Brand, clock: SetClock
) -> None:
    async with house.sessions() as tx, tx.begin():
        other = await a_brand(tx, "another")
    begins = clock.now() + timedelta(days=9)
    long_ago = await confirmed(house, brand, title="Long ago")
    clock.pass_by(timedelta(days=2))
    works = await declared(
        house,
        brand,
        incident="planned_power",
        starts_at=begins,
        expected_end=begins + timedelta(hours=1),
        variables={},
    )
    ids = []
    for minutes in (1, 5, 30):
        signal = clock.now() - timedelta(minutes=minutes)
        one = await confirmed(house, brand, first_signal_at=signal, anyway=True)
        ids.append(one.id)
    await confirmed(house, brand, simulated=True)
    await confirmed(house, other)
    clock.pass_by(timedelta(hours=3))
    await given(house, "announce", works, brand=brand)

    found = await report(house, brand)

    assert [one.id for one in found.outages] == [works.id, *ids]
    assert long_ago.id not in ids
    assert (found.signal_to_public_s, found.signal_to_confirmed_s) == (300, 300)
    assert found.outages[0].signal_to_public_s is None


@pytest.mark.req("B17", "allows")
async def test_it_counts_how_often_somebody_was_paged(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await declared(house, brand, incident="power_failure")
    clock.pass_by(timedelta(minutes=10))
    await house.outage_desk.look(outage.id)

    [one] = (await report(house, brand)).outages

    assert one.pages == 1


@pytest.mark.req("B13", "blocks")
async def test_nothing_is_learnt_from_what_did_not_take_place(
    house: House, brand: Brand, clock: SetClock
) -> None:
    begins = clock.now() + timedelta(days=3)
    works = await declared(
        house,
        brand,
        incident="planned_power",
        starts_at=begins,
        expected_end=begins + timedelta(hours=1),
        variables={},
    )
    await given(house, "announce", works, brand=brand)
    await given(house, "end", works, brand=brand, command=OutageCommand.CANCEL)
    doubt = await declared(house, brand)
    await given(house, "end", doubt, brand=brand, command=OutageCommand.DISMISS)

    assert (await report(house, brand)).reviews_missing == 0
