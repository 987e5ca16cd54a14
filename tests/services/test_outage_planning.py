"""A plan counts people by the rules, asks the routes, and says what it chose and why."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert

from rules.holder import RulebookHolder
from rules.incident_files import load_incidents
from rules.standing import parse_segment
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.domain.outage_plan import ChannelChoice, Chosen, Why
from tellal.domain.routes import Carriage, Price, Route, RouteTable
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import RouteStateRow
from tellal.persistence.tables.outages import OutageRow
from tellal.services import outage_places
from tellal.services.house import House
from tellal.services.outage_planning import OutagePlan, PlanFor, Planning
from templates.environment import JinjaRenderer
from tests.support.builders import a_brand, a_customer
from tests.support.house import ROUTES
from tests.support.outages import confirmed

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
INCIDENTS = load_incidents()
HERE = {"customer.district": "tepebasi"}
SAID: dict[str, object] = {
    "area": "Tepebaşı",
    "expected_end": "12:00",
    "workaround": "186'yı arayın",
    "hotline": "186",
    "starts": "01:00",
    "ends": "05:00",
}
POWER = PlanFor(
    incident="power_failure",
    areas=[{"district": "tepebasi"}],
    variables=SAID,
    expected_end=NOW + timedelta(hours=4),
)


def a_route(channel: Channel, rate: float | None, **said: object) -> Route:
    return Route(
        name=f"{channel}-{rate}",
        provider=channel,
        channel=channel,
        rate=rate,
        carries=(Carriage(countries=frozenset(), classes=frozenset(MessageClass), urls=True),),
        **said,  # type: ignore[arg-type]  # a test names what it changes
    )


def planning(routes: RouteTable = ROUTES) -> Planning:
    return Planning(INCIDENTS, RulebookHolder(None), JinjaRenderer(), routes)


def slow(rate: float) -> RouteTable:
    """Return routes whose text messages leave at a rate."""
    others = (a_route(Channel.PUSH, 1_000), a_route(Channel.EMAIL, 1_000))
    return RouteTable(routes=(a_route(Channel.SMS, rate), *others), needs=ROUTES.needs)


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    """Ten people in Tepebaşı: four with the app, five by text (one on a device), one by mail."""
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        for n in range(4):
            contacts = {Channel.PUSH: f"token-{n}", Channel.SMS: f"+9053500000{n:02}"}
            await a_customer(tx, brand, f"app-{n}", contacts=contacts, facts=HERE)
        for n in range(5):
            facts = {**HERE, "customer.life_support": True} if n == 0 else HERE
            contacts = {Channel.SMS: f"+9053500001{n:02}"}
            await a_customer(tx, brand, f"sms-{n}", contacts=contacts, facts=facts)
        mail = {Channel.EMAIL: "someone@example.com"}
        await a_customer(tx, brand, "mail", contacts=mail, facts=HERE)
        nothing = {Channel.WHATSAPP: "+905350000299"}
        await a_customer(tx, brand, "nothing", contacts=nothing, facts=HERE)
        elsewhere = {"customer.district": "odunpazari"}
        for n in range(3):
            contacts = {Channel.SMS: f"+9053500003{n:02}"}
            await a_customer(tx, brand, f"far-{n}", contacts=contacts, facts=elsewhere)
        return brand


async def planned(
    sessions: Sessions, brand: Brand, outage: PlanFor, routes: RouteTable = ROUTES
) -> OutagePlan:
    async with sessions() as tx:
        return await planning(routes).plan(tx, brand, outage, NOW)


def told(plan: OutagePlan) -> Mapping[Channel, int]:
    return {one.channel: one.told for one in plan.choices.channels}


def sms(plan: OutagePlan) -> ChannelChoice:
    return plan.choices.of(Channel.SMS)


@pytest.mark.req("B11", "blocks")
@pytest.mark.req("B11", "allows")
async def test_only_those_in_the_area_count_each_over_his_first_channel(
    sessions: Sessions, brand: Brand
) -> None:
    plan = await planned(sessions, brand, POWER)

    assert told(plan) == {Channel.PUSH: 4, Channel.SMS: 5, Channel.EMAIL: 1}
    assert (plan.impact.affected, plan.impact.reachable, plan.impact.told) == (11, 10, 10)
    assert plan.impact.silent == {"no_address": 1}
    assert plan.choices.untold == 0


async def test_a_segment_narrows_the_area_and_without_both_it_is_the_whole_brand(
    sessions: Sessions, brand: Brand
) -> None:
    segment = {"customer.life_support": True}

    narrow = await planned(sessions, brand, replace(POWER, segment=segment))
    whole = await planned(sessions, brand, replace(POWER, areas=()))

    assert narrow.impact.affected == 1
    assert whole.impact.affected == 14
    assert whole.segment is None
    assert whole.parts[1]["segment"] is None


@pytest.mark.parametrize("few", [0, 10, 11])
async def test_few_and_many_are_counted_alike(
    sessions: Sessions, brand: Brand, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    whole = await planned(sessions, brand, POWER)
    monkeypatch.setattr(outage_places, "FEW", few)

    other = await planned(sessions, brand, POWER)

    assert other.as_json() == whole.as_json()


@pytest.mark.parametrize(
    ("areas", "affected"),
    [
        ([{"district": "tepebasi"}, {"district": "odunpazari"}], 14),
        ([{"district": "tepebasi", "province": "eskisehir"}], 0),
        ([{"district": "nowhere"}], 0),
        ([{"feeder": "F1"}, {"district": "odunpazari"}], 3),
    ],
)
async def test_places_are_looked_up_as_the_rules_read_them(
    sessions: Sessions, brand: Brand, areas: list[dict[str, str]], affected: int
) -> None:
    plan = await planned(sessions, brand, replace(POWER, areas=areas))

    assert plan.impact.affected == affected


@pytest.mark.req("B01", "blocks")
@pytest.mark.req("B01", "allows")
@pytest.mark.parametrize(
    ("rate", "chosen", "messages"),
    [
        pytest.param(1.0, Chosen.EVERYBODY, 5, id="five in time"),
        # (4 h · 0.5 - 5 min) · rate = 6900 s · rate segments are in time, two to a text.
        pytest.param(10 / 6900 + 0.0001, Chosen.EVERYBODY, 5, id="five just in time"),
        pytest.param(10 / 6900 - 0.0001, Chosen.PRIORITY, 1, id="one too many"),
        pytest.param(2 / 6900 - 0.0001, Chosen.NOBODY, 0, id="not even one"),
    ],
)
async def test_how_many_are_too_many_follows_from_the_route_and_the_end(
    sessions: Sessions, brand: Brand, rate: float, chosen: Chosen, messages: int
) -> None:
    variables = {**SAID, "workaround": "Yaşam destek cihazınız varsa 186'yı arayın, bekleriz"}

    plan = await planned(sessions, brand, replace(POWER, variables=variables), slow(rate))

    assert sms(plan).segments == 2
    assert (sms(plan).chosen, sms(plan).told) == (chosen, messages)


@pytest.mark.req("B03", "blocks")
@pytest.mark.req("B03", "allows")
async def test_the_sooner_it_ends_the_fewer_are_told(sessions: Sessions, brand: Brand) -> None:
    routes = slow(0.01)

    long = await planned(sessions, brand, POWER, routes)
    short = await planned(
        sessions, brand, replace(POWER, expected_end=NOW + timedelta(minutes=12)), routes
    )

    assert sms(long).chosen is Chosen.EVERYBODY
    assert sms(short).code is Why.TOO_LATE
    assert "it would be too late for some" in sms(short).why
    assert short.told_by == NOW + timedelta(minutes=1)


async def test_who_hangs_on_a_device_is_told_first(sessions: Sessions, brand: Brand) -> None:
    plan = await planned(sessions, brand, POWER)

    first, rest = plan.parts
    assert first == {
        "name": "priority",
        "segment": {"all": [HERE, {"customer.life_support": True}]},
        "channels": ["push", "sms", "email"],
        "audience": "1 people",
    }
    assert (rest["name"], rest["segment"], rest["audience"]) == ("everybody", HERE, "9 people")
    for part in plan.parts:
        assert parse_segment(RulebookHolder(None).current, part["segment"]) is not None


@pytest.mark.req("B02", "blocks")
@pytest.mark.req("B02", "allows")
async def test_when_mobile_banking_is_down_nobody_gets_a_text_message(
    sessions: Sessions, brand: Brand
) -> None:
    outage = replace(POWER, incident="mobile_banking_down", areas=())

    plan = await planned(sessions, brand, outage)
    soon = await planned(sessions, brand, replace(outage, expected_end=NOW + timedelta(hours=1)))

    assert sms(plan).code is Why.NOT_PLANNED
    assert told(plan)[Channel.EMAIL] == 1
    assert {"page", "social"} <= set(plan.public)
    assert soon.choices.of(Channel.EMAIL).code is Why.TOO_SHORT_FOR_EMAIL
    assert (soon.impact.told, soon.parts) == (0, [])


@pytest.mark.req("B18", "blocks")
@pytest.mark.req("B18", "allows")
async def test_the_app_is_no_channel_while_the_core_that_it_needs_is_down(
    sessions: Sessions, brand: Brand
) -> None:
    outage = replace(POWER, incident="card_payments_down", areas=(), components=["core_banking"])

    plan = await planned(sessions, brand, outage)

    push = plan.choices.of(Channel.PUSH)
    assert push.code is Why.DEPENDS_ON_FAILED
    assert push.why == "it depends on what has failed: Mobile app"
    assert told(plan) == {Channel.PUSH: 0, Channel.SMS: 12, Channel.EMAIL: 1}


@pytest.mark.req("B18", "blocks")
@pytest.mark.req("B18", "allows")
async def test_while_the_network_is_down_no_text_message_is_tried(
    sessions: Sessions, brand: Brand
) -> None:
    plan = await planned(sessions, brand, replace(POWER, incident="mobile_network_down"))

    assert sms(plan).code is Why.DEPENDS_ON_FAILED
    assert told(plan)[Channel.PUSH] == 4


@pytest.mark.req("B18", "blocks")
@pytest.mark.req("B18", "allows")
async def test_what_another_outage_has_taken_down_is_no_channel_either(
    house: House, sessions: Sessions, brand: Brand
) -> None:
    await confirmed(house, brand, segment={}, components=["app_backend"], title="The app is down")

    plan = await planned(sessions, brand, POWER)

    assert plan.choices.of(Channel.PUSH).code is Why.DEPENDS_ON_FAILED
    assert told(plan)[Channel.SMS] == 9


@pytest.mark.req("B07", "allows")
async def test_planned_works_are_told_in_the_app_before_they_begin(
    sessions: Sessions, brand: Brand
) -> None:
    outage = replace(
        POWER,
        incident="planned_power",
        starts_at=NOW + timedelta(hours=48),
        expected_end=NOW + timedelta(hours=52),
    )

    plan = await planned(sessions, brand, outage)

    assert plan.topic == "planned_outage"
    assert plan.ends == NOW + timedelta(hours=48)
    assert next(one.channel for one in plan.choices.channels if one.told) is Channel.PUSH
    assert plan.impact.silent == {"called_in_person": 1, "no_address": 1}
    assert [part["name"] for part in plan.parts] == ["everybody"]


async def test_works_that_have_begun_take_their_components_down(
    sessions: Sessions, brand: Brand
) -> None:
    outage = replace(
        POWER,
        incident="planned_banking",
        starts_at=NOW + timedelta(hours=1),
        expected_end=NOW + timedelta(hours=5),
    )

    before = await planned(sessions, brand, outage)
    begun = await planned(sessions, brand, replace(outage, starts_at=NOW))

    assert before.choices.of(Channel.PUSH).code is Why.IN_TIME
    assert begun.choices.of(Channel.PUSH).code is Why.DEPENDS_ON_FAILED


@pytest.mark.req("B12", "blocks")
@pytest.mark.req("B12", "allows")
async def test_a_plan_is_refused_if_nothing_says_what_people_can_do(
    sessions: Sessions, brand: Brand
) -> None:
    silent = {name: value for name, value in SAID.items() if name != "workaround"}

    with pytest.raises(InvalidInputError) as refused:
        await planned(sessions, brand, replace(POWER, variables=silent))

    assert refused.value.field == "outage.workaround"
    none_known = replace(POWER, variables={**silent, "no_workaround": True})
    assert (await planned(sessions, brand, none_known)).impact.told == 10


async def test_an_end_that_nobody_knows_is_guessed_and_the_plan_says_so(
    sessions: Sessions, brand: Brand
) -> None:
    plan = await planned(sessions, brand, replace(POWER, expected_end=None))

    assert plan.assumed_end
    assert plan.ends == NOW + timedelta(hours=2)
    assert "nobody says when it ends: it is taken to last 2 h" in plan.approximations


async def test_an_operator_may_choose_other_channels(sessions: Sessions, brand: Brand) -> None:
    outage = replace(POWER, incident="mobile_banking_down", channels=(Channel.SMS,))

    plan = await planned(sessions, brand, outage)

    assert told(plan)[Channel.SMS] == 9


async def test_rates_add_up_and_what_is_not_said_is_taken_to_be_something(
    sessions: Sessions, brand: Brand
) -> None:
    two = RouteTable(
        routes=(
            a_route(
                Channel.SMS,
                20,
                weight=300,
                price=Price(amount=Decimal("0.1800"), currency="TRY"),
            ),
            a_route(Channel.SMS, None, price=Price(amount=Decimal("0.05"), currency="USD")),
        )
    )

    plan = await planned(sessions, brand, POWER, two)

    said = sms(plan)
    assert said.rate == 120
    assert said.segments is not None
    assert said.cost == Decimal("0.18") * said.segments * 9
    assert said.currency == "TRY"
    notes = "; ".join(plan.approximations)
    assert "sms-None has no rate of its own: it is taken to carry 100/s" in notes
    assert "sms is reckoned at the price of sms-20, which gets most" in notes


async def test_a_worker_hands_over_no_more_than_it_can(sessions: Sessions, brand: Brand) -> None:
    plan = await planned(sessions, brand, POWER, slow(1_000_000))

    assert sms(plan).segments is not None
    assert sms(plan).rate == 1_000 * (sms(plan).segments or 0)
    assert "sms: a worker hands over 1000 a second at most" in plan.approximations


async def test_routes_that_all_rest_are_taken_to_come_back(
    sessions: Sessions, brand: Brand
) -> None:
    async with sessions() as tx, tx.begin():
        await tx.execute(
            insert(table(RouteStateRow)).values(
                route="sms-50.0",
                tokens=0.0,
                refilled_at=NOW,
                paused_until=NOW + timedelta(minutes=5),
                failures=0,
                open_until=None,
                opened_times=0,
                reason="",
            )
        )

    plan = await planned(sessions, brand, POWER, slow(50.0))

    assert sms(plan).code is Why.IN_TIME
    assert "sms: every route rests now, and is taken to come back" in plan.approximations


@pytest.mark.parametrize(("above", "needed"), [(9, True), (10, False), (None, False)])
async def test_more_people_than_one_person_may_tell_need_a_second_word(
    sessions: Sessions, brand: Brand, above: int | None, needed: bool
) -> None:
    kind = replace(INCIDENTS.kinds["power_failure"], approval_above=above)
    incidents = replace(INCIDENTS, kinds={**INCIDENTS.kinds, "power_failure": kind})
    planner = Planning(incidents, RulebookHolder(None), JinjaRenderer(), ROUTES)

    async with sessions() as tx:
        plan = await planner.plan(tx, brand, POWER, NOW)

    assert plan.impact.needs_approval is needed
    assert plan.as_json()["needs_approval"] is needed


async def test_a_plan_is_kept_as_json(sessions: Sessions, brand: Brand) -> None:
    plan = await planned(sessions, brand, POWER)

    kept = json.loads(json.dumps(plan.as_json()))

    assert kept["parts"] == plan.parts
    assert kept["channels"][0]["channel"] == "push"
    assert kept["channels"][1]["why"] == sms(plan).why
    assert kept["told_by"] == (NOW + timedelta(hours=1, minutes=55)).isoformat()


async def test_a_kind_that_nobody_has_described_is_refused(
    sessions: Sessions, brand: Brand
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await planned(sessions, brand, replace(POWER, incident="flood"))

    assert refused.value.field == "incident"


async def test_an_outage_is_planned_by_its_row(sessions: Sessions, brand: Brand) -> None:
    row = OutageRow(
        id="o", brand_id=brand.id, incident="power_failure", title="", topic="",
        segment={}, areas=[{"district": "tepebasi"}], variables=SAID, components=[], state="",
        expected_end=NOW + timedelta(hours=4), in_flight_at_stop=0, declared_at=NOW,
    )  # fmt: skip

    plan = await planned(sessions, brand, PlanFor.of(row))

    assert plan.impact.affected == 11
