"""Presets are tested like rules: each can be declared, planned, told, and its texts be written."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from rules.incident_files import load_incidents
from rules.rulebook import load_rulebook
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.domain.incidents import Preset
from tellal.domain.outages import OutageKind
from tellal.persistence.columns import table
from tellal.persistence.tables.outages import OutageRow
from tellal.services.house import House
from tellal.services.outage_presets import declaration_of, preset_views
from tellal.services.outage_sayings import Declaration, Go
from tellal.services.outage_views import OutageView
from tellal.services.outage_words import variables
from tellal.services.posting import brand_variables
from templates.environment import JinjaRenderer
from tests.support.builders import a_brand, a_customer
from tests.support.house import MORNING, SetClock
from tests.support.outages import decided, seen

pytestmark = pytest.mark.req("B19")

INCIDENTS = load_incidents()
PRESETS = INCIDENTS.presets
BOOK = load_rulebook()
RENDERER = JinjaRenderer()
LANGUAGES = ("tr", "en", "pl")
_outages = table(OutageRow)

EVERY = pytest.mark.parametrize("name", sorted(PRESETS))


@pytest.fixture
async def brand(house: House) -> Brand:
    """A brand with somebody whom every channel reaches."""
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        contacts = {
            Channel.SMS: "+905350000001",
            Channel.PUSH: "a-token",
            Channel.EMAIL: "ayse@example.com",
        }
        facts = {"customer.district": "tepebasi"}
        await a_customer(tx, brand, contacts=contacts, facts=facts)
        return brand


def is_planned(preset: Preset) -> bool:
    return INCIDENTS.kinds[preset.incident].kind is OutageKind.PLANNED


def said_of(preset: Preset, **said: Any) -> dict[str, Any]:  # noqa: ANN401
    """Say what nobody can say beforehand: when works begin."""
    return {**({"starts_at": MORNING + timedelta(days=6)} if is_planned(preset) else {}), **said}


def declaration(brand: Brand, name: str, **said: Any) -> Declaration:  # noqa: ANN401
    return declaration_of(
        INCIDENTS, brand, name, said_of(PRESETS[name], **said), now=MORNING, simulated=False
    )


async def declared(house: House, brand: Brand, name: str) -> OutageView:
    async with house.sessions() as tx, tx.begin():
        return await house.outages.declare(tx, brand=brand, said=declaration(brand, name), by="ada")


@EVERY
async def test_every_preset_is_declared_planned_and_let_go_as_it_is(
    house: House, brand: Brand, name: str
) -> None:
    preset = PRESETS[name]

    outage = await declared(house, brand, name)
    async with house.sessions() as tx, tx.begin():
        planned = await house.outages.plan(tx, brand=brand, outage_id=outage.id)
        command = house.outages.announce if is_planned(preset) else house.outages.confirm
        told = await command(tx, brand=brand, outage_id=outage.id, go=Go(), by="ada")
    await decided(house, outage)

    assert (outage.title, outage.incident) == (preset.title, preset.incident)
    assert outage.workaround or outage.no_workaround
    assert planned.plan["affected"] == 1
    assert planned.plan["public"]
    assert told.state in ("confirmed", "announced")
    assert (await seen(house, brand, outage)).counts["audience"] == min(
        1,
        len(planned.plan["parts"]),  # type: ignore[arg-type]  # JSON
    )
    if preset.lasts is not None:
        begins = outage.starts_at or outage.declared_at
        assert outage.expected_end == begins + preset.lasts


@EVERY
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_text_that_a_preset_leads_to_can_be_written(
    house: House, brand: Brand, name: str, language: str
) -> None:
    kind = INCIDENTS.kinds[PRESETS[name].incident]
    outage = await declared(house, brand, name)
    async with house.sessions() as tx:
        row = (await tx.execute(select(_outages).where(_outages.c.id == outage.id))).one()
    said = variables(row, brand, kind, MORNING)

    for notice, topic in kind.topics.items():
        plans = BOOK.shards[topic].channels
        for channel in sorted({channel for plan in plans for channel, _ in plan.rule.steps}):
            written = RENDERER.render(
                topic=topic,
                channel=channel,
                language=language,
                variables={
                    "brand": brand_variables(brand),
                    "customer": {"first_name": ""},
                    "outage": said,
                },
            ).text
            assert "None" not in written
            assert "{" not in written
            if notice == "notice" and channel is Channel.SMS and outage.workaround:
                assert outage.workaround.split()[0].rstrip(",.") in written
            if channel is Channel.SMS and notice == "notice":
                what = kind.what[language]
                assert topic == "planned_outage" or what.split()[-1].lower() in written.lower()


def test_works_that_do_not_begin_yet_have_no_end(house: House) -> None:
    del house
    brand = a_brand_named("anadolu-bank")
    draft = declaration_of(INCIDENTS, brand, "grid_works", {}, now=MORNING, simulated=False)
    begins = MORNING + timedelta(days=6)

    assert (draft.starts_at, draft.expected_end) == (None, None)
    assert declaration(brand, "grid_works").expected_end == begins + timedelta(hours=4)


def test_what_the_operator_says_wins_and_the_rest_stays() -> None:
    said = declaration(
        a_brand_named("porsuk-edas"),
        "tepebasi_dark",
        title="Two streets",
        expected_end=MORNING + timedelta(hours=1),
        variables={"crew": "7"},
        reason="",
    )

    assert said.title == "Two streets"
    assert said.expected_end == MORNING + timedelta(hours=1)
    assert said.variables == {"area": "Tepebaşı", "crew": "7"}
    assert said.reason == "Trafo arızası"
    assert said.areas == ({"district": "tepebasi"},)


def test_a_preset_is_for_the_brands_that_it_names() -> None:
    own = replace(PRESETS["app_down"], brands=frozenset({"anadolu-bank"}))
    incidents = replace(INCIDENTS, presets={"app_down": own})
    bank, other = a_brand_named("anadolu-bank"), a_brand_named("porsuk-edas")

    assert [one.id for one in preset_views(incidents, bank)] == ["app_down"]
    assert list(preset_views(incidents, other)) == []
    with pytest.raises(InvalidInputError, match="has no preset") as refused:
        declaration_of(incidents, other, "app_down", {}, now=MORNING, simulated=False)
    assert refused.value.hint == "it has none"


def test_without_a_preset_a_title_is_asked_for() -> None:
    brand = a_brand_named("porsuk-edas")

    with pytest.raises(InvalidInputError, match="needs a title"):
        declaration_of(INCIDENTS, brand, "", {"title": ""}, now=MORNING, simulated=True)
    said = declaration_of(INCIDENTS, brand, "", {"title": "Dark"}, now=MORNING, simulated=True)
    assert (said.incident, said.simulated) == ("other_failure", True)


def test_views_say_what_a_preset_is(clock: SetClock) -> None:
    assert clock.now() == MORNING
    [view] = [one for one in preset_views(INCIDENTS, a_brand_named("x")) if one.id == "cards_down"]

    assert (view.kind, view.incident) == ("failure", "card_payments_down")
    assert view.lasts_s == timedelta(minutes=45).total_seconds()


def a_brand_named(name: str) -> Brand:
    return Brand(
        id="b1",
        name=name,
        trade_name=name,
        country="TR",
        timezone="Europe/Istanbul",
        phone="08500000001",
        email="iletisim@anadolu.example",
        mersis="0000000000000011",
        sms_sender="ANADOLUBANK",
        email_sender="bilgi@anadolu.example",
    )
