"""Rehearsals, on a real database: they go the whole way, and others do not see them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, func, select, update

from activities.providers.simulated import Pace, Simulated
from tellal.domain.cases import CaseCommand, CaseState, VerifiedAs
from tellal.domain.channels import Channel, Lane, Receipts
from tellal.domain.customers import Brand
from tellal.domain.handover import Answered, Carrier
from tellal.domain.messages import Answer, HandOver, MessageState, Receipt, Remedy
from tellal.domain.plans import Plan
from tellal.domain.routes import RouteTable
from tellal.domain.simulation import SIMULATED, simulated_route
from tellal.persistence import reading
from tellal.persistence.columns import table
from tellal.persistence.people import lock_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow, CustomerRow
from tellal.persistence.tables.delivery import RouteStateRow
from tellal.persistence.tables.ledger import MessageRow, OutboxRow, OutcomeRow
from tellal.services.case_views import CaseView
from tellal.services.cases import CaseInput
from tellal.services.events import RecordedEvent
from tellal.services.history import cap_uses
from tellal.services.house import House
from tellal.services.moves import Move
from tests.support.builders import a_brand, a_customer
from tests.support.desk import a_desk
from tests.support.house import SetClock
from tests.support.ledger import message, messages_of_a_brand
from tests.support.outages import confirmed, decided, seen

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_customers = table(CustomerRow).c

WARNING = "phishing_awareness"
PROMO = "iscep_promo"


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(
            tx,
            brand,
            contacts={Channel.SMS: "+905320000101", Channel.EMAIL: "ayse@example.com"},
            consents={Channel.EMAIL: "granted"},
            facts={"customer.district": "tepebasi"},
        )
        return brand


async def happens(
    house: House, brand: Brand, type: str = "login", *, simulated: bool, **data: object
) -> RecordedEvent:
    payload = {"method": "password", "surface": "web", "can_show_banner": False}
    async with house.sessions() as tx, tx.begin():
        return await house.events.record(
            tx,
            brand=brand,
            customer_ref="ayse",
            type=type,
            payload=data or payload,
            simulated=simulated,
        )


def verdict(event: RecordedEvent, topic: str) -> tuple[str, str]:
    return next((d.verdict, d.reason) for d in event.decisions if d.topic == topic)


async def messages(house: House, topic: str) -> Sequence[Row[Any]]:
    async with house.sessions() as tx:
        query = select(_messages).where(_messages.c.topic == topic).order_by(_messages.c.id)
        return (await tx.execute(query)).all()


async def outcomes(house: House, topic: str) -> list[tuple[bool, str]]:
    async with house.sessions() as tx:
        query = select(_outcomes).where(_outcomes.c.topic == topic).order_by(_outcomes.c.id)
        rows = (await tx.execute(query)).all()
    return [(Plan.from_json(row.plan).simulated, row.state) for row in rows]


async def comes_to(
    house: House, topic: str, state: MessageState, remedy: Remedy | None = None
) -> None:
    """Have a lane take the newest message of a topic, and a provider say what became of it."""
    newest = (await messages(house, topic))[-1]
    async with house.sessions() as tx, tx.begin():
        await tx.execute(
            update(_messages)
            .where(_messages.c.id == newest.id)
            .values(state=MessageState.HANDING_OVER, receipts="delivery", provider=SIMULATED)
        )
        await house.progress.move(
            tx, [Move(message_id=newest.id, state=state, code="ordered", remedy=remedy)]
        )


async def test_what_a_rehearsed_event_sets_off_is_recorded_and_marked(
    house: House, brand: Brand
) -> None:
    event = await happens(house, brand, simulated=True)

    assert event.simulated
    assert verdict(event, WARNING) == ("send", "")
    [row] = await messages(house, WARNING)
    assert (row.state, row.simulated) == (MessageState.QUEUED, True)
    async with house.sessions() as tx:
        shown = await reading.messages(tx, brand.id)
        decided = await reading.decisions(tx, brand.id, customer="ayse")
        started = (await tx.execute(select(func.count()).select_from(table(OutboxRow)))).scalar()
    assert {one.simulated for one in shown} == {True}
    assert {one["simulated"] for one in decided} == {True}
    assert started == len(shown) == 2


async def test_what_is_in_earnest_is_not_marked(house: House, brand: Brand) -> None:
    event = await happens(house, brand, simulated=False)

    async with house.sessions() as tx:
        shown = await reading.messages(tx, brand.id)
        decided = await reading.decisions(tx, brand.id, customer="ayse")
    assert not event.simulated
    assert {one.simulated for one in shown} == {one["simulated"] for one in decided} == {False}


@pytest.mark.parametrize("ends", [None, MessageState.DELIVERED, MessageState.UNDELIVERED])
async def test_nobody_goes_untold_because_it_was_rehearsed(
    house: House, brand: Brand, ends: MessageState | None
) -> None:
    await happens(house, brand, simulated=True)
    if ends is not None:
        await comes_to(house, WARNING, ends)
    before = await outcomes(house, WARNING)

    event = await happens(house, brand, simulated=False)

    assert verdict(event, WARNING) == ("send", "")
    assert [row.simulated for row in await messages(house, WARNING)] == [True, False]
    assert await outcomes(house, WARNING) == [*before, (False, "open")]


async def test_a_rehearsal_hears_that_he_was_told_in_earnest(house: House, brand: Brand) -> None:
    await happens(house, brand, simulated=False)
    pending = await happens(house, brand, simulated=True)
    await comes_to(house, WARNING, MessageState.DELIVERED)

    told = await happens(house, brand, simulated=True)

    assert verdict(pending, WARNING) == ("suppress", "already_pending")
    assert verdict(told, WARNING) == ("suppress", "already_told")
    assert await outcomes(house, WARNING) == [(False, "told")]


async def test_a_rehearsal_hears_of_rehearsals(house: House, brand: Brand) -> None:
    await happens(house, brand, simulated=True)

    again = await happens(house, brand, simulated=True)

    assert verdict(again, WARNING) == ("suppress", "already_pending")


async def test_a_rehearsal_after_a_failure_leaves_the_failure_as_it_is(
    house: House, brand: Brand
) -> None:
    event = await happens(house, brand, simulated=False)
    for _ in ("sms", "email"):
        await comes_to(house, WARNING, MessageState.UNDELIVERED)
        await house.journeys.advance(_outcome_of(event, WARNING))
    assert await outcomes(house, WARNING) == [(False, "failed")]

    await happens(house, brand, simulated=True)

    assert (await outcomes(house, WARNING))[0] == (False, "failed")


async def used(house: House, brand: Brand, clock: SetClock, *, simulated: bool) -> int:
    """Count the slots of the promotion's caps that a question hears of."""
    async with house.sessions() as tx, tx.begin():
        customer = await lock_customer(tx, brand.id, "ayse")
        caps = house.books.current.caps_of(PROMO)
        later = clock.now() + timedelta(minutes=1)
        uses = await cap_uses(tx, customer.id, caps, later, simulated=simulated)
    return sum(
        len(instants) for cap, instants in uses.instants.items() if cap.endswith("promo_weekly")
    )


@pytest.mark.parametrize(
    ("rehearsed", "for_real", "for_rehearsals"),
    [pytest.param(True, 0, 1, id="rehearsed"), pytest.param(False, 1, 1, id="in earnest")],
)
async def test_who_hears_of_a_slot(
    house: House,
    brand: Brand,
    clock: SetClock,
    *,
    rehearsed: bool,
    for_real: int,
    for_rehearsals: int,
) -> None:
    event = await happens(house, brand, simulated=rehearsed)

    assert verdict(event, PROMO) == ("send", "")
    assert await used(house, brand, clock, simulated=False) == for_real
    assert await used(house, brand, clock, simulated=True) == for_rehearsals


async def test_a_full_cap_stops_a_rehearsal_and_a_rehearsed_one_stops_nobody(
    house: House, brand: Brand
) -> None:
    await happens(house, brand, simulated=True)
    await comes_to(house, PROMO, MessageState.UNDELIVERED)

    real = await happens(house, brand, simulated=False)
    rehearsed = await happens(house, brand, simulated=True)

    assert verdict(real, PROMO) == ("send", "")
    assert verdict(rehearsed, PROMO)[0] == "suppress"


async def test_the_next_channel_and_the_next_try_are_rehearsed_too(
    house: House, brand: Brand, clock: SetClock
) -> None:
    event = await happens(house, brand, simulated=True)

    await comes_to(house, WARNING, MessageState.UNDELIVERED)
    await house.journeys.advance(_outcome_of(event, WARNING))
    await comes_to(house, PROMO, MessageState.DELIVERED)
    clock.pass_by(timedelta(days=7, minutes=1))
    await house.journeys.advance(_outcome_of(event, PROMO))

    assert [(m.channel, m.simulated) for m in await messages(house, WARNING)] == [
        ("sms", True),
        ("email", True),
    ]
    assert [(m.try_no, m.simulated) for m in await messages(house, PROMO)] == [(1, True), (2, True)]


def _outcome_of(event: RecordedEvent, topic: str) -> str:
    return next(d.outcome_id or "" for d in event.decisions if d.topic == topic)


async def test_a_rehearsed_event_teaches_nothing_about_the_customer(
    house: House, brand: Brand
) -> None:
    await happens(house, brand, simulated=False)
    async with house.sessions() as tx:
        before = (await tx.execute(select(_customers.facts))).scalar_one()
        told = (await tx.execute(select(func.count()).select_from(table(OutboxRow)))).scalar_one()

    await happens(house, brand, "app_installed", simulated=True, surface="app")

    async with house.sessions() as tx:
        after = (await tx.execute(select(_customers.facts))).scalar_one()
        still = (await tx.execute(select(func.count()).select_from(table(OutboxRow)))).scalar_one()
    assert (after, still) == (before, told)


async def test_a_rehearsed_event_counts_for_its_own_decisions(house: House, brand: Brand) -> None:
    event = await happens(
        house, brand, simulated=True, method="cep_anahtar", surface="web", can_show_banner=False
    )

    assert verdict(event, PROMO) == ("suppress", "already_has_iscep")


@pytest.mark.parametrize(
    ("simulated", "refusals", "reasons"),
    [
        pytest.param(True, [], ["", ""], id="rehearsed"),
        pytest.param(False, ["sms"], ["", "simulated:ordered"], id="a magic address"),
    ],
)
async def test_a_rehearsed_refusal_is_nobodys(
    house: House, brand: Brand, *, simulated: bool, refusals: list[str], reasons: list[str]
) -> None:
    await happens(house, brand, simulated=simulated)

    await comes_to(house, WARNING, MessageState.FAILED, Remedy.OPTED_OUT)
    await comes_to(house, PROMO, MessageState.FAILED, Remedy.BAD_ADDRESS)

    consents, points = table(ConsentRow).c, table(ContactPointRow).c
    async with house.sessions() as tx:
        refused = await tx.execute(select(consents.channel).where(consents.state == "refused"))
        marked = await tx.execute(select(points.bad_reason).order_by(points.bad_reason))
        assert list(refused.scalars()) == refusals
        assert list(marked.scalars()) == reasons


async def opened(house: House, brand: Brand, *, simulated: bool) -> CaseView:
    async with house.sessions() as tx, tx.begin():
        return await house.cases.open(
            tx,
            brand=brand,
            customer_ref="ayse",
            channel="web",
            subject="meter",
            by="officer",
            simulated=simulated,
        )


async def resolved(house: House, brand: Brand, case: CaseView) -> None:
    for command, said in (
        (CaseCommand.ROUTE, CaseInput(team="metering")),
        (CaseCommand.ANSWER, CaseInput(answer="replaced")),
        (CaseCommand.CALL, CaseInput(verified_as=VerifiedAs.APPLICANT)),
        (CaseCommand.RESOLVE, CaseInput(result="The meter was replaced.")),
    ):
        async with house.sessions() as tx, tx.begin():
            await house.cases.command(
                tx, brand_id=brand.id, number=case.number, command=command, body=said, by="officer"
            )


@pytest.mark.parametrize("simulated", [True, False])
async def test_the_notices_of_a_case_are_what_the_case_is(
    house: House, brand: Brand, *, simulated: bool
) -> None:
    case = await opened(house, brand, simulated=simulated)

    await house.case_notices.notice(case.id, CaseState.OPENED)
    await resolved(house, brand, case)
    await house.case_notices.notice(case.id, CaseState.RESOLVED)

    async with house.sessions() as tx:
        marks = (await tx.execute(select(_messages.c.simulated))).scalars().all()
    assert case.simulated is simulated
    assert len(marks) >= 2
    assert set(marks) == {simulated}


async def test_the_audience_of_a_rehearsed_outage_is_told_in_earnest_of_the_next(
    house: House, brand: Brand
) -> None:
    for simulated in (True, False):
        outage = await confirmed(house, brand, simulated=simulated)
        await decided(house, outage)
        shown = await seen(house, brand, outage)
        assert (shown.simulated, shown.counts["open"]) == (simulated, 1)

    assert [row.simulated for row in await messages(house, "outage_notice")] == [True, False]


def test_a_plan_from_before_there_were_rehearsals_is_in_earnest() -> None:
    stored = {
        "steps": [{"channel": "sms", "patience_s": 60.0}],
        "attempts": 1,
        "every_s": 3600.0,
        "expires_s": 3600.0,
        "lane": "journeys",
        "class": "service",
        "priority": 0,
        "rule": "r",
        "revision": "1",
        "language": "tr",
        "variables": {},
    }

    plan = Plan.from_json(stored)

    assert not plan.simulated
    assert plan.to_json() == {**stored, "simulated": False, "fold": "never"}


SIMULATOR = {SIMULATED: Carrier(provider=SIMULATED, receipts=Receipts.DELIVERY, looks_up=True)}
ONLY_SIMULATED = RouteTable(routes=(simulated_route(Channel.SMS), simulated_route(Channel.EMAIL)))


async def test_a_rehearsal_goes_the_whole_way(
    sessions: Sessions, house: House, brand: Brand, clock: SetClock
) -> None:
    heard: list[Receipt] = []

    async def receive(receipts: Sequence[Receipt]) -> None:
        heard.extend(receipts)

    await happens(house, brand, simulated=True)
    sender = Simulated(receive, clock=clock, pace=Pace(soon=timedelta(hours=1)))
    desk = a_desk(sessions, clock, carriers=SIMULATOR, routes=ONLY_SIMULATED)

    claimed = await desk.claim(Lane.JOURNEYS, 10)
    await desk.record([Answered(message=m, answer=await sender.send(m)) for m in claimed])
    await sender.close()
    async with sessions() as tx, tx.begin():
        moves = [
            Move(message_id=r.message_id, state=r.state, reference=r.reference, provider=r.provider)
            for r in heard
        ]
        await house.progress.move(tx, moves)

    [row] = await messages(house, WARNING)
    assert (row.state, row.provider) == (MessageState.DELIVERED, SIMULATED)
    assert row.reference == f"simulated-{row.id}-1"
    assert await outcomes(house, WARNING) == [(True, "told")]


async def test_ordered_failures_do_not_rest_the_simulator(sessions: Sessions) -> None:
    ids = await messages_of_a_brand(sessions, 30)
    clock = SetClock()
    clock.at += timedelta(hours=5, minutes=30)
    busy = HandOver(answer=Answer.REJECTED, provider=SIMULATED, code="busy", remedy=Remedy.RETRY)
    desk = a_desk(sessions, clock, carriers=SIMULATOR, routes=ONLY_SIMULATED)
    claimed = await desk.claim(Lane.JOURNEYS, 30)
    assert len(claimed) == len(ids)

    await desk.record([Answered(message=one, answer=busy) for one in claimed])

    async with sessions() as tx:
        assert (await tx.execute(select(table(RouteStateRow)))).all() == []
    assert (await message(sessions, ids[0])).state == MessageState.QUEUED
