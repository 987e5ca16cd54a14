"""What came of a campaign, counted by hand from a run that ended."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from rules.holder import RulebookHolder
from tellal.domain.credit import EntryKind, Want
from tellal.domain.customers import Brand
from tellal.domain.errors import NotFoundError
from tellal.persistence.session import Sessions
from tellal.services.campaign_progress import Totals, read_progress
from tellal.services.campaign_reports import SNAPSHOT, CampaignReport, campaign_report
from tellal.services.credit_closing import close
from tellal.services.credit_reserving import Asked, reserve
from tests.support.builders import a_brand
from tests.support.campaigns import (
    BEGAN,
    Said,
    Written,
    a_campaign,
    a_finished_run,
    a_person,
    a_round,
    a_run,
    complained,
    many_people,
    refused,
)
from tests.support.credit import an_account
from tests.support.ledger import SetClock

pytestmark = pytest.mark.req("D62")

NEXT_DAY = BEGAN + timedelta(days=1)


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


@pytest.fixture
async def campaign(sessions: Sessions, brand: Brand) -> Written:
    return await a_finished_run(sessions, brand)


async def report(sessions: Sessions, campaign: Written, **how: object) -> CampaignReport:
    book = RulebookHolder(None).current
    async with sessions() as tx, tx.begin():
        await tx.execute(SNAPSHOT)
        return await campaign_report(
            tx,
            book,
            campaign.brand,
            campaign.id,
            NEXT_DAY,
            **how,  # type: ignore[arg-type]  # checked at run time
        )


def totals(**states: int) -> Totals:
    return Totals.of(states)


async def test_everybody_is_counted_once_and_the_identity_is_shown(
    sessions: Sessions, campaign: Written
) -> None:
    said = await report(sessions, campaign)

    assert said.people.totals == totals(
        open=1, told=3, suppressed=3, expired=1, cancelled=1, failed=1, unknown=1
    )
    assert said.identity.audience == said.identity.sum == said.identity.counted == 11
    assert said.identity.holds
    assert said.open == {"held": 1, "queued": 0, "deferred": 0, "with_provider": 0, "between": 0}


async def test_a_count_that_went_astray_is_seen(sessions: Sessions, campaign: Written) -> None:
    async with sessions() as tx, tx.begin():
        await tx.execute(text("UPDATE cause_counts SET told = told + 1"))

    said = await report(sessions, campaign)

    assert not said.identity.holds
    assert said.identity.counted > said.identity.audience == 11


async def test_people_are_grouped_by_what_matters(sessions: Sessions, campaign: Written) -> None:
    people = (await report(sessions, campaign)).people

    assert people.by_variant["a"] == totals(told=2, suppressed=2, expired=1, failed=1)
    assert people.by_variant["b"] == totals(told=1, suppressed=1, cancelled=1, unknown=1, open=1)
    assert people.by_step == {"0": people.totals}
    assert people.by_country["PL"] == people.by_language["pl"] == totals(told=1)
    assert people.by_country["TR"].audience == people.by_language["tr"].audience == 10
    assert people.held_out == 2
    assert [(one.reason, one.words, one.people) for one in people.suppressed] == [
        ("hold_out", "Words of hold_out", 2),
        ("no_consent", "Words of no_consent", 1),
    ]


async def test_messages_are_grouped_and_what_was_lost_says_why(
    sessions: Sessions, campaign: Written
) -> None:
    sent = (await report(sessions, campaign)).messages

    numbers = {name: getattr(sent.totals, name) for name in sent.totals.__slots__[:-1]}
    assert numbers == {
        "messages": 9,
        "waiting": 1,
        "handed_over": 0,
        "delivered": 3,
        "undelivered": 2,
        "expired": 1,
        "cancelled": 1,
        "unknown": 1,
    }
    assert {name: one.messages for name, one in sent.by_channel.items()} == {"email": 1, "sms": 8}
    assert {name: one.delivered for name, one in sent.by_route.items()} == {"smtp": 1, "twilio": 2}
    assert [(one.code, one.words, one.messages) for one in sent.undelivered] == [
        ("30003", "handset unreachable or switched off", 2)
    ]


async def test_what_it_cost_and_what_comes_back(sessions: Sessions, campaign: Written) -> None:
    sent = (await report(sessions, campaign)).messages

    # Two texts that arrived at 0.05, two of two segments that did not at 0.10; no price for mail.
    assert sent.cost == {"TRY": Decimal("0.30")}
    assert sent.to_return == {"TRY": Decimal("0.20")}
    assert sent.unpriced == 1
    assert sent.segments == 1 + 1 + 2 + 2 + 1


@pytest.mark.req("D61")
async def test_with_an_account_what_was_refunded_comes_back_and_no_more(
    sessions: Sessions, campaign: Written
) -> None:
    clock = SetClock()
    lost = [one for some in campaign.messages.values() for one in some]
    async with sessions() as tx, tx.begin():
        await an_account(tx, campaign.brand, clock, "10")
        asked = [
            Asked(
                want=Want(message_id=one, cost=Decimal("0.10")),
                attempt=1,
                brand_id=campaign.brand.id,
                currency="TRY",
            )
            for one in lost[:2]
        ]
        await reserve(tx, asked, clock.now())
        ends = [(lost[0], EntryKind.REFUND), (lost[1], EntryKind.SETTLE)]
        await close(tx, ends, clock.now())

    sent = (await report(sessions, campaign)).messages

    assert sent.cost == {"TRY": Decimal("0.30")}
    assert sent.to_return == {"TRY": Decimal("0.10")}


async def test_hours_are_those_of_utc_and_of_the_brand(
    sessions: Sessions, campaign: Written
) -> None:
    sent = (await report(sessions, campaign)).messages

    hours = [(f"{one.begins:%H:%M%z}", one.messages.messages) for one in sent.by_hour]
    local = [(f"{one.begins:%H:%M%z}", one.messages.messages) for one in sent.by_local_hour]
    assert hours == [("07:00+0000", 3), ("08:00+0000", 2)]
    assert local == [("10:00+0300", 3), ("11:00+0300", 2)]


async def test_hours_of_a_zone_with_half_an_hour(sessions: Sessions, brand: Brand) -> None:
    kolkata = replace(brand, timezone="Asia/Kolkata")
    campaign = await a_finished_run(sessions, kolkata)

    sent = (await report(sessions, campaign)).messages

    # 07:01 and 08:20 UTC are 12:31 and 13:50 at +05:30.
    assert [f"{one.begins:%H:%M}" for one in sent.by_local_hour] == ["12:00", "13:00"]


async def test_what_it_annoyed_is_counted_by_person(sessions: Sessions, campaign: Written) -> None:
    async with sessions() as tx, tx.begin():
        await refused(tx, campaign, "ayse", message=campaign.messages["ayse"][0])
        await refused(tx, campaign, "burak")
        await refused(tx, campaign, "can", at=BEGAN + timedelta(days=40))
        await refused(tx, campaign, "derya")
        await refused(tx, campaign, "firat", channel="email")
        await complained(tx, campaign, "firat", campaign.messages["firat"][0])

    said = (await report(sessions, campaign)).annoyance

    # burak's consent went without naming a message; can's too late, derya had none, firat's email.
    assert (said.refused, said.refused_after, said.complained) == (1, 1, 1)
    # Of six messages that were taken or whose fate is unknown.
    assert said.refused_per_thousand == pytest.approx(1000 / 6, abs=1e-3)
    assert said.report.startswith("/v1/reports/annoyance?from=2026-03-02T07%3A01")


async def test_a_run_is_reported_by_itself(sessions: Sessions, brand: Brand) -> None:
    async with sessions() as tx, tx.begin():
        campaign = await a_campaign(tx, brand)
        for ref in ("ayse", "burak"):
            run = await a_run(tx, campaign, state="ended")
            one = await a_round(tx, campaign, run)
            await a_person(tx, campaign, one, ref, Said(state="delivered"))

    whole, second = await report(sessions, campaign), await report(sessions, campaign, run=2)

    assert (whole.people.totals.told, second.people.totals.told) == (2, 1)
    assert (second.run, second.runs) == (2, 2)
    with pytest.raises(NotFoundError, match="no run 3"):
        await report(sessions, campaign, run=3)


async def test_a_campaign_that_has_not_run_reports_nobody(sessions: Sessions, brand: Brand) -> None:
    async with sessions() as tx, tx.begin():
        campaign = await a_campaign(tx, brand, state="draft")

    said = await report(sessions, campaign)

    assert said.people.totals.audience == 0
    assert said.identity.holds
    assert not said.decided
    assert said.messages.totals.messages == 0
    assert said.annoyance.report == ""


async def test_progress_is_what_the_ledger_counts(sessions: Sessions, campaign: Written) -> None:
    async with sessions() as tx:
        said = await read_progress(tx, campaign.brand.id, campaign.id, NEXT_DAY)

    assert said.totals == (await report(sessions, campaign)).people.totals
    assert [(one.variant, one.totals.audience) for one in said.rounds] == [("a", 6), ("b", 5)]
    assert (said.run, said.runs, said.decided) == (1, 1, True)
    assert not said.over


async def test_a_step_to_come_leaves_it_undecided(sessions: Sessions, brand: Brand) -> None:
    async with sessions() as tx, tx.begin():
        plan = {
            "steps": [{"after": "3d"}],
            "goal": {"event": "loan_applied", "within": "1h"},
            "hold_out": 10,
        }
        campaign = await a_campaign(tx, brand, plan=plan)
        run = await a_run(tx, campaign)
        one = await a_round(tx, campaign, run)
        await a_person(tx, campaign, one, "ayse", Said(state="delivered"))
        await a_person(tx, campaign, one, "kaan", outcome="suppressed", reason="hold_out")
    before = await report(sessions, campaign)
    async with sessions() as tx, tx.begin():
        await a_round(tx, campaign, run, step=1)
    after = await report(sessions, campaign)

    assert (before.decided, after.decided) == (False, True)
    assert before.conversion is not None
    assert after.conversion is not None
    assert (before.conversion.final, after.conversion.final) == (False, True)


@pytest.mark.parametrize(("of_b", "warns"), [(100, False), (40, True)])
async def test_a_split_that_is_no_accident_is_a_warning(
    sessions: Sessions,
    brand: Brand,
    of_b: int,
    warns: bool,
) -> None:
    plan = {"variants": [{"name": "a", "share": 50}, {"name": "b", "share": 50}]}
    async with sessions() as tx, tx.begin():
        campaign = await a_campaign(tx, brand, plan=plan)
        run = await a_run(tx, campaign, state="ended")
        a = await a_round(tx, campaign, run, variant="a")
        b = await a_round(tx, campaign, run, variant="b")
    await many_people(sessions, campaign, a, 110, stem="a")
    await many_people(sessions, campaign, b, of_b, stem="b")

    found = (await report(sessions, campaign)).split

    assert found is not None
    assert found.groups == ("a", "b")
    assert bool(found.warning) is warns


async def test_nothing_is_checked_while_people_are_decided(
    sessions: Sessions, brand: Brand
) -> None:
    plan = {"variants": [{"name": "a", "share": 50}, {"name": "b", "share": 50}]}
    async with sessions() as tx, tx.begin():
        campaign = await a_campaign(tx, brand, plan=plan)
        run = await a_run(tx, campaign)
        one = await a_round(tx, campaign, run, variant="a")
        await a_round(tx, campaign, run, variant="b", state="deciding")
    await many_people(sessions, campaign, one, 110)

    said = await report(sessions, campaign)

    assert said.split is None
    assert not said.decided
