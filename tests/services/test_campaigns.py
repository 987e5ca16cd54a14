"""Campaigns on a real database: planned, approved by another, run in waves, paused, ended."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from tellal.domain.campaigns import CampaignState
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import (
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    RefusedTransitionError,
)
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import CampaignRunRow, GroupMemberRow, GroupRow
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import CauseRow, MessageRow, OutcomeRow
from tellal.services.campaign_preview import Preview
from tellal.services.campaign_views import CampaignView
from tellal.services.campaigns import Staff
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock

_causes = table(CauseRow)
_customers = table(CustomerRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_runs = table(CampaignRunRow)

ADA = Staff(by="ada@bank.example", personal=True)
EMRE = Staff(by="emre@bank.example", personal=True)
PLAN: Mapping[str, Any] = {
    "topic": "tariff_change",
    "variables": {},
    "when": {"at": "2026-03-02T10:00", "zone": "Europe/Istanbul"},
}
TEN = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
"""Ten o'clock in Istanbul on a Monday."""


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        return await a_brand(tx)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(TEN - timedelta(hours=2))


async def people(house: House, brand: Brand, number: int, **how: Any) -> list[str]:  # noqa: ANN401 - as a_customer
    async with house.sessions() as tx, tx.begin():
        return [
            await a_customer(
                tx,
                brand,
                f"{how.get('name', 'c')}-{n}",
                contacts={Channel.EMAIL: f"{how.get('name', 'c')}{n}@example.com"},
                timezone=how.get("timezone", "Europe/Istanbul"),
                facts=how.get("facts", {}),
            )
            for n in range(number)
        ]


async def made(house: House, brand: Brand, name: str = "spring", **plan: Any) -> CampaignView:  # noqa: ANN401
    async with house.sessions() as tx, tx.begin():
        return await house.campaigns.make(
            tx, brand=brand, name=name, plan={**PLAN, **plan}, who=ADA
        )


async def approved(house: House, brand: Brand, **plan: Any) -> CampaignView:  # noqa: ANN401
    campaign = await made(house, brand, **plan)
    async with house.sessions() as tx, tx.begin():
        await house.campaigns.submit(tx, brand=brand, campaign_id=campaign.id, who=ADA)
        return await house.campaigns.approve(tx, brand=brand, campaign_id=campaign.id, who=EMRE)


async def decided(house: House, campaign_id: str) -> int:
    """Look, and decide whatever may be decided now; return how many that were."""
    number = 0
    for _ in range(200):
        step = await house.campaign_desk.look(campaign_id)
        if not step.run_id:
            return number
        turn = await house.campaign_desk.decide_some(step.run_id)
        number += turn.decided
        if turn.done:
            continue
        if turn.wait_until is not None:
            return number
    pytest.fail("it comes to no end")


async def shown(house: House, brand: Brand, campaign_id: str) -> CampaignView:
    async with house.sessions() as tx:
        return await house.campaigns.view(tx, brand.id, campaign_id)


async def messages(house: House) -> list[Any]:
    async with house.sessions() as tx:
        return list((await tx.execute(select(_messages).order_by(_messages.c.id))).all())


async def a_group(house: House, brand: Brand, name: str, members: Mapping[str, Any]) -> None:
    async with house.sessions() as tx, tx.begin():
        group_id, now = new_id(), house.clock.now()
        made_ = {"made_by": "ada", "created_at": now, "changed_at": now}
        await tx.execute(
            insert(table(GroupRow)).values(
                id=group_id, brand_id=brand.id, name=name, kind="list", **made_
            )
        )
        rows = [
            {"group_id": group_id, "customer_id": one, "variables": said, "added_at": now}
            for one, said in members.items()
        ]
        await tx.execute(insert(table(GroupMemberRow)), rows)


async def test_nothing_happens_before_its_time_and_everybody_is_told_at_it(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, 3)
    campaign = await approved(house, brand)

    early = await decided(house, campaign.id)
    clock.at = TEN
    on_time = await decided(house, campaign.id)

    view = await shown(house, brand, campaign.id)
    assert (early, on_time) == (0, 3)
    assert campaign.next_at == TEN
    assert view.run is not None
    assert view.run.counts["audience"] == view.run.counts["open"] == 3
    assert {one.not_before for one in await messages(house)} == {TEN}


async def test_a_campaign_is_over_when_its_last_outcome_is(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, 2)
    campaign = await approved(house, brand)
    clock.at = TEN
    await decided(house, campaign.id)
    waits = await house.campaign_desk.look(campaign.id)
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_outcomes).values(state="told", closed_at=TEN))

    step = await house.campaign_desk.look(campaign.id)

    assert waits.wait_until is not None
    assert waits.wait_until > TEN
    assert step.over
    assert len(step.ended_runs) == 1
    assert (await shown(house, brand, campaign.id)).state is CampaignState.ENDED


async def test_a_second_person_approves_and_never_the_author(house: House, brand: Brand) -> None:
    campaign = await made(house, brand)
    own_key = Staff(by="helper@bank.example", personal=True, made_by=ADA.by)
    desk = Staff(by="crm")

    async def approve(who: Staff) -> CampaignView:
        async with house.sessions() as tx, tx.begin():
            return await house.campaigns.approve(tx, brand=brand, campaign_id=campaign.id, who=who)

    with pytest.raises(RefusedTransitionError):
        await approve(EMRE)
    async with house.sessions() as tx, tx.begin():
        await house.campaigns.submit(
            tx, brand=brand, campaign_id=campaign.id, who=Staff(by="can", personal=True)
        )
    for who in (ADA, own_key, Staff(by="can", personal=True)):
        with pytest.raises(ConflictError, match="somebody else"):
            await approve(who)
    with pytest.raises(DeniedError, match="own key"):
        await approve(desk)
    assert (await approve(EMRE)).state is CampaignState.APPROVED


async def test_a_changed_plan_needs_another_approval(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, 1)
    campaign = await approved(house, brand)
    async with house.sessions() as tx, tx.begin():
        changed = await house.campaigns.change(
            tx,
            brand=brand,
            campaign_id=campaign.id,
            plan={**PLAN, "expires_after": "6h"},
            who=EMRE,
        )
    clock.at = TEN

    assert changed.state is CampaignState.DRAFT
    assert (changed.approved_by, changed.next_at) == ("", None)
    assert await decided(house, campaign.id) == 0


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"topic": "tarif_change"}, "no topic"),
        ({"audience": {"segment": {"customer.nothing": 1}}}, "customer.nothing"),
        ({"when": {"at": "2026-03-02T10:00", "zone": "Europe/Instanbul"}}, "no time zone"),
        ({"when": {"at": "2026-03-02T10:00", "until": "2026-03-01"}}, "before it begins"),
        (
            {"when": {"at": "2026-03-02T10:00", "window": {"from": "12:00", "to": "18:00"}}},
            "outside of the window",
        ),
        ({"variants": [{"name": "a", "share": 50}, {"name": "b", "share": 40}]}, "90 percent"),
        ({"steps": [{"after": "0d", "topic": "tariff_change"}]}, "no span"),
        (
            {"steps": [{"after": "1d", "topic": "tariff_change", "only": "converted"}]},
            "a goal",
        ),
        ({"budget": {"amount": "0", "currency": "TRY"}}, "more than nothing"),
    ],
)
async def test_a_plan_that_does_not_fit_is_refused_with_words(
    house: House, brand: Brand, plan: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        await made(house, brand, **plan)


async def test_what_is_over_or_names_nobody_is_refused(house: House, brand: Brand) -> None:
    with pytest.raises(NotFoundError, match="no group 'vip'"):
        await made(house, brand, audience={"groups": ["vip"]})
    late = await made(house, brand, when={"at": "2026-03-01T10:00", "zone": "Europe/Istanbul"})
    with pytest.raises(ConflictError, match="named"):
        await made(house, brand)
    async with house.sessions() as tx, tx.begin():
        with pytest.raises(InvalidInputError, match="is over"):
            await house.campaigns.submit(tx, brand=brand, campaign_id=late.id, who=ADA)


@pytest.mark.req("D73")
async def test_each_zone_is_told_at_ten_by_its_own_clock(
    house: House, brand: Brand, clock: SetClock
) -> None:
    zones = ("Asia/Tokyo", "Europe/Istanbul", "Europe/Warsaw", "America/New_York")
    for zone in zones:
        await people(house, brand, 2, name=zone.rpartition("/")[2], timezone=zone)
    clock.at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    campaign = await approved(house, brand, when={"at": "2026-03-02T10:00", "zone": "local"})
    told = {}

    while clock.at < datetime(2026, 3, 2, 16, 0, tzinfo=UTC):
        number = await decided(house, campaign.id)
        if number:
            told[clock.at] = number
        clock.pass_by(timedelta(minutes=30))

    assert told == {
        datetime(2026, 3, 2, 1, 0, tzinfo=UTC): 2,
        datetime(2026, 3, 2, 7, 0, tzinfo=UTC): 2,
        datetime(2026, 3, 2, 9, 0, tzinfo=UTC): 2,
        datetime(2026, 3, 2, 15, 0, tzinfo=UTC): 2,
    }


async def test_groups_say_who_is_meant_who_is_not_and_what_only_he_reads(
    house: House, brand: Brand, clock: SetClock
) -> None:
    one, two, three, four = await people(house, brand, 4, facts={"customer.district": "tepebasi"})
    await people(house, brand, 1, name="far")
    await a_group(house, brand, "vip", {one: {"debt": "12,50"}, two: {}, three: {}})
    await a_group(house, brand, "staff", {three: {}})
    campaign = await approved(
        house,
        brand,
        audience={
            "groups": ["vip"],
            "without": ["staff"],
            "segment": {"customer.district": "tepebasi"},
        },
    )
    clock.at = TEN

    await decided(house, campaign.id)

    told = {row.customer_id: row.variables for row in await messages(house)}
    assert told.keys() == {one, two}
    assert four not in told
    assert told[one]["debt"] == "12,50"


async def test_variants_and_the_hold_out_share_an_audience_by_chance_and_without_overlap(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, 200)
    variants = [
        {"name": "a", "share": 50, "variables": {"tone": "warm"}},
        {"name": "b", "share": 50, "variables": {"tone": "dry"}},
    ]
    campaign = await approved(house, brand, variants=variants, hold_out=20)
    clock.at = TEN

    assert await decided(house, campaign.id) == 200

    view = await shown(house, brand, campaign.id)
    assert view.run is not None
    counts = {name: one["audience"] for name, one in view.run.by_variant.items()}
    assert sum(counts.values()) == 200
    assert view.run.by_variant["hold_out"]["suppressed"] == counts["hold_out"]
    assert 20 <= counts["hold_out"] <= 60
    assert abs(counts["a"] - counts["b"]) < 50
    said = {row.variables["campaign"]["tone"] for row in await messages(house)}
    assert said == {"warm", "dry"}
    async with house.sessions() as tx:
        query = select(_outcomes.c.reason).where(_outcomes.c.state == "suppressed").distinct()
        assert (await tx.execute(query)).scalars().all() == ["hold_out"]


async def test_no_more_are_told_than_its_pace_allows(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, 30)
    campaign = await approved(house, brand, pace={"per_second": 5, "per_hour": 36_000})
    clock.at = TEN
    told = []

    for _ in range(8):
        told.append(await decided(house, campaign.id))
        clock.pass_by(timedelta(seconds=1))

    assert told == [5, 5, 5, 5, 5, 5, 0, 0]


async def test_it_rests_outside_of_its_hours_and_goes_on_the_next_day(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, 6)
    campaign = await approved(
        house,
        brand,
        when={
            "at": "2026-03-02T17:59",
            "zone": "Europe/Istanbul",
            "window": {"from": "10:00", "to": "18:00"},
        },
        pace={"per_second": 0.05},
    )
    clock.at = TEN + timedelta(hours=7, minutes=59)

    first = await decided(house, campaign.id)
    clock.pass_by(timedelta(minutes=2))
    by_night = await decided(house, campaign.id)
    step = await house.campaign_desk.look(campaign.id)
    turn = await house.campaign_desk.decide_some(step.run_id)
    clock.at = TEN + timedelta(days=1)
    next_day = await decided(house, campaign.id)

    assert (first, by_night, next_day) == (1, 0, 1)
    assert turn.wait_until == TEN + timedelta(days=1)


async def test_a_spent_budget_pauses_the_run(house: House, brand: Brand, clock: SetClock) -> None:
    async with house.sessions() as tx, tx.begin():
        for n in range(5):
            await a_customer(tx, brand, f"s-{n}", contacts={Channel.SMS: f"+90532000000{n}"})
    campaign = await approved(
        house, brand, topic="security_alert", budget={"amount": "0.20", "currency": "USD"}
    )
    clock.at = TEN

    number = await decided(house, campaign.id)

    view = await shown(house, brand, campaign.id)
    assert 0 < number < 5
    assert view.state is CampaignState.PAUSED
    assert view.run is not None
    assert view.run.reason == "budget"


async def test_a_pause_holds_and_a_resumed_run_goes_on_where_it_was(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, 6)
    campaign = await approved(house, brand, pace={"per_second": 2})
    clock.at = TEN
    await decided(house, campaign.id)
    clock.pass_by(timedelta(seconds=1))
    await decided(house, campaign.id)

    async with house.sessions() as tx, tx.begin():
        paused = await house.campaigns.pause(tx, brand=brand, campaign_id=campaign.id, who=ADA)
    clock.pass_by(timedelta(hours=1))
    meanwhile = await decided(house, campaign.id)
    async with house.sessions() as tx:
        states = (await tx.execute(select(_causes.c.state))).scalars().all()
    async with house.sessions() as tx, tx.begin():
        await house.campaigns.resume(tx, brand=brand, campaign_id=campaign.id, who=ADA)
    afterwards = 0
    for _ in range(3):
        afterwards += await decided(house, campaign.id)
        clock.pass_by(timedelta(seconds=1))

    assert (paused.state, paused.in_flight, paused.left) == (CampaignState.PAUSED, 0, 0)
    assert paused.run is not None
    assert (paused.run.held, paused.run.expired) == (4, 0)
    assert (meanwhile, states, afterwards) == (0, ["paused"], 2)
    view = await shown(house, brand, campaign.id)
    assert view.run is not None
    assert view.run.counts["audience"] == 6
    assert len(await messages(house)) == 6


@pytest.mark.parametrize(("expired", "later"), [(False, False), (True, True)])
async def test_what_ran_out_during_a_pause_is_for_the_operator_to_decide(
    house: House, brand: Brand, clock: SetClock, *, expired: bool, later: bool
) -> None:
    await people(house, brand, 2)
    campaign = await approved(house, brand, expires_after="2h")
    clock.at = TEN
    await decided(house, campaign.id)
    async with house.sessions() as tx, tx.begin():
        await house.campaigns.pause(tx, brand=brand, campaign_id=campaign.id, who=ADA)
    clock.pass_by(timedelta(hours=3))
    due = await house.journeys.due(10)
    waiting = await shown(house, brand, campaign.id)

    async with house.sessions() as tx, tx.begin():
        await house.campaigns.resume(
            tx, brand=brand, campaign_id=campaign.id, who=ADA, expired=expired
        )

    assert due == ()
    assert waiting.run is not None
    assert (waiting.run.held, waiting.run.expired) == (0, 2)
    found = {row.expires_at > clock.now() for row in await messages(house)}
    assert found == {later}


async def test_a_cancelled_campaign_says_what_had_left_and_says_no_more(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, 5)
    campaign = await approved(house, brand, pace={"per_second": 3})
    clock.at = TEN
    await decided(house, campaign.id)
    first = (await messages(house))[0]
    async with house.sessions() as tx, tx.begin():
        gone = update(_messages).where(_messages.c.id == first.id)
        await tx.execute(gone.values(state="accepted", handed_at=TEN))

    async with house.sessions() as tx, tx.begin():
        view = await house.campaigns.cancel(tx, brand=brand, campaign_id=campaign.id, who=ADA)
    clock.pass_by(timedelta(minutes=1))

    assert (view.state, view.left, view.in_flight) == (CampaignState.CANCELLED, 1, 0)
    assert await decided(house, campaign.id) == 0
    states = sorted(row.state for row in await messages(house))
    assert states == ["accepted", "cancelled", "cancelled"]
    with pytest.raises(RefusedTransitionError):
        async with house.sessions() as tx, tx.begin():
            await house.campaigns.resume(tx, brand=brand, campaign_id=campaign.id, who=ADA)


@pytest.mark.req("A07")
async def test_every_recurrence_is_decided_anew(
    house: House, brand: Brand, clock: SetClock
) -> None:
    here, _ = await people(house, brand, 2, facts={"customer.district": "tepebasi"})
    campaign = await approved(
        house,
        brand,
        audience={"segment": {"customer.district": "tepebasi"}},
        when={
            "at": "2026-03-02T10:00",
            "zone": "Europe/Istanbul",
            "repeat": {"every": "week"},
            "until": "2026-03-10",
        },
    )
    clock.at = TEN
    first = await decided(house, campaign.id)
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_outcomes).values(state="told", closed_at=TEN))
        moved = update(_customers).where(_customers.c.id != here)
        await tx.execute(moved.values(facts={"customer.district": "odunpazari"}))
    between = await house.campaign_desk.look(campaign.id)
    clock.pass_by(timedelta(days=7))
    second = await decided(house, campaign.id)
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_outcomes).values(state="told", closed_at=TEN))
    last = await house.campaign_desk.look(campaign.id)

    assert (first, second) == (2, 1)
    assert (between.state, between.wait_until) == (
        CampaignState.APPROVED,
        TEN + timedelta(days=7),
    )
    assert last.over


async def test_a_run_that_nobody_was_at_work_for_is_left_out_and_said_so(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, 1)
    campaign = await approved(
        house,
        brand,
        when={
            "at": "2026-03-02T10:00",
            "zone": "Europe/Istanbul",
            "repeat": {"every": "day"},
            "until": "2026-03-03",
            "catch_up_s": 600,
        },
    )
    clock.at = TEN + timedelta(minutes=11)

    missed = await decided(house, campaign.id)
    clock.at = TEN + timedelta(days=1, minutes=9)
    caught_up = await decided(house, campaign.id)

    async with house.sessions() as tx:
        runs = await house.campaigns.runs(tx, brand.id, campaign.id)
        lines = await house.campaigns.history(tx, brand.id, campaign.id)
    assert (missed, caught_up) == (0, 1)
    assert [run.state for run in runs] == ["missed", "running"]
    assert "missed" in [line.command for line in lines]


async def test_a_later_step_speaks_only_to_those_whom_it_is_for(
    house: House, brand: Brand, clock: SetClock
) -> None:
    told, untold, converted = await people(house, brand, 3)
    campaign = await approved(
        house,
        brand,
        goal={"event": "tariff_read", "within": "2d"},
        steps=[{"after": "1d", "topic": "security_alert", "only": "told"}],
    )
    clock.at = TEN
    await decided(house, campaign.id)
    async with house.sessions() as tx, tx.begin():
        for ids, state in (((told, converted), "told"), ((untold,), "failed")):
            change = update(_outcomes).where(_outcomes.c.customer_id.in_(ids))
            await tx.execute(change.values(state=state, closed_at=TEN))
    clock.pass_by(timedelta(days=1))

    assert await decided(house, campaign.id) == 2

    second = [row for row in await messages(house) if row.topic == "security_alert"]
    assert {row.customer_id for row in second} == {told, converted}


async def test_the_bucket_of_a_customer_is_the_same_in_every_run(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await people(house, brand, 40)
    campaign = await approved(
        house,
        brand,
        hold_out=50,
        when={
            "at": "2026-03-02T10:00",
            "zone": "Europe/Istanbul",
            "repeat": {"every": "day"},
        },
    )
    held: list[set[str]] = []
    for _ in range(2):
        clock.at = TEN + timedelta(days=len(held))
        await decided(house, campaign.id)
        async with house.sessions() as tx, tx.begin():
            query = (
                select(_outcomes.c.customer_id, func.count())
                .where(_outcomes.c.reason == "hold_out")
                .group_by(_outcomes.c.customer_id)
            )
            held.append({row[0] for row in await tx.execute(query)})
            await tx.execute(update(_outcomes).values(state="told", closed_at=TEN))
        await house.campaign_desk.look(campaign.id)

    assert held[0] == held[1]
    assert 8 < len(held[0]) < 32


async def previewed(house: House, brand: Brand, campaign_id: str) -> Preview:
    async with house.sessions() as tx:
        return await house.previews.preview(tx, brand, campaign_id)


async def test_a_preview_counts_as_the_run_then_decides(
    house: House, brand: Brand, clock: SetClock
) -> None:
    east = await people(house, brand, 12, name="east", timezone="Asia/Tokyo")
    await people(house, brand, 9, name="west")
    async with house.sessions() as tx, tx.begin():
        await a_customer(tx, brand, "nobody", contacts={Channel.PUSH: "token"})
    await a_group(house, brand, "staff", {east[0]: {}})
    clock.at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    campaign = await approved(
        house,
        brand,
        when={"at": "2026-03-02T10:00", "zone": "local"},
        hold_out=30,
        audience={"without": ["staff"]},
    )

    said = await previewed(house, brand, campaign.id)
    for at in (datetime(2026, 3, 2, 1, 0, tzinfo=UTC), TEN):
        clock.at = at
        await decided(house, campaign.id)

    view = await shown(house, brand, campaign.id)
    assert view.run is not None
    counts = view.run.counts
    assert said.audience == counts["audience"] == 21
    assert said.told == counts["open"]
    assert said.held_out + sum(one.number for one in said.silent) == counts["suppressed"]
    assert said.held_out > 0
    assert {one.what: one.number for one in said.channels} == {"email": said.told}
    assert all(one.number for one in said.silent)
    assert [hour.at for hour in said.hours] == [datetime(2026, 3, 2, 1, 0, tzinfo=UTC), TEN]
    assert sum(hour.told for hour in said.hours) == said.told


async def test_a_preview_shows_what_ten_recipients_would_read(house: House, brand: Brand) -> None:
    await people(house, brand, 30)
    campaign = await made(house, brand, pace={"per_second": 0.01})

    said = await previewed(house, brand, campaign.id)
    again = await previewed(house, brand, campaign.id)

    assert len({one.customer for one in said.samples}) == 10
    assert said.samples == again.samples
    assert all(one.text and not one.problem for one in said.samples)
    assert said.finishes - said.begins == timedelta(seconds=3000)


async def test_a_preview_says_who_falls_out_and_why(house: House, brand: Brand) -> None:
    await people(house, brand, 2)
    async with house.sessions() as tx, tx.begin():
        await a_customer(tx, brand, "mute", contacts={Channel.PUSH: "token"})
    campaign = await made(house, brand, topic="iscep_promo")

    said = await previewed(house, brand, campaign.id)

    assert said.told == 0
    assert sum(one.number for one in said.silent) == said.audience == 3
    assert all(one.what and one.text for one in said.silent)


@pytest.mark.req("D71", "blocks")
@pytest.mark.req("D71", "allows")
async def test_who_lacks_what_the_text_says_of_him_is_left_out(
    house: House, brand: Brand, clock: SetClock
) -> None:
    whole, lacking = await people(house, brand, 2)
    await a_group(house, brand, "late", {whole: {"case": {"number": "12-7"}}, lacking: {}})
    campaign = await approved(house, brand, topic="case_opened", audience={"groups": ["late"]})
    clock.at = TEN

    await decided(house, campaign.id)

    async with house.sessions() as tx:
        query = select(_outcomes.c.customer_id, _outcomes.c.state, _outcomes.c.reason)
        found = {row.customer_id: (row.state, row.reason) for row in await tx.execute(query)}
    assert found[lacking] == ("suppressed", "variable_missing")
    assert found[whole] == ("open", "")
