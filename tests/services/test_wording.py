"""Commercial messages leave with the engine's footer, or not at all, on a real database."""

from dataclasses import replace

import pytest
from sqlalchemy import insert, select, update

from rules.routing import load_routes
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.customers import Brand
from tellal.domain.errors import RulebookError
from tellal.domain.messages import MessageState
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.brands import BrandRow, ShortCodeRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.editions import Edition, check, pack, read_edition
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer
from tests.support.desk import a_desk
from tests.support.ledger import NOON, SetClock, a_message, message

COMMERCIAL = MessageClass.COMMERCIAL


async def a_promotion(
    sessions: Sessions, brand: Brand, channel: Channel, message_class: MessageClass = COMMERCIAL
) -> str:
    """Write a message to somebody who agreed to it."""
    address = "+905320000101" if channel is Channel.SMS else "ayse@example.com"
    async with sessions() as tx, tx.begin():
        customer_id = await a_customer(
            tx, brand, contacts={channel: address}, consents={channel: "granted"}
        )
        return await a_message(
            tx, brand, customer_id=customer_id, channel=channel, message_class=message_class
        )


async def of_brand(sessions: Sessions, **changes: str) -> Brand:
    """Write a brand, with something else about it than a whole profile has."""
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        if changes:
            of_it = update(table(BrandRow)).where(table(BrandRow).c.id == brand.id)
            await tx.execute(of_it.values(**changes))
    return replace(brand, **changes)


@pytest.mark.req("D02", "allows")
@pytest.mark.req("D12", "allows")
async def test_a_promotion_leaves_with_the_short_code_and_its_parts_are_paid_for(
    sessions: Sessions,
) -> None:
    brand = await of_brand(sessions)
    async with sessions() as tx, tx.begin():
        row = {"code": "4605", "keyword": "ANADOLU", "brand_id": brand.id}
        await tx.execute(insert(table(ShortCodeRow)).values(**row))
    await a_promotion(sessions, brand, Channel.SMS)

    [left] = await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10)

    assert left.text == (
        "phishing/sms/tr Anadolu Bankası A.Ş. Mersis 0000000000000011 "
        "Ret: ANADOLU RET yaz, 4605 numarasına ücretsiz gönder"
    )
    assert left.segments == 2  # one without the footer: 70 letters with a Turkish one among them
    assert (await message(sessions, left.id)).text == left.text


@pytest.mark.req("D45", "allows")
@pytest.mark.req("D47", "allows")
async def test_a_mail_says_who_sends_it_and_where_to_refuse(sessions: Sessions) -> None:
    brand = await of_brand(sessions)
    await a_promotion(sessions, brand, Channel.EMAIL)

    [left] = await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10)

    assert "--\nAnadolu Bankası A.Ş. · Mersis No: 0000000000000011\n" in left.text
    assert "iletisim@anadolu.example adresine RET yazmanız yeterlidir" in left.text


@pytest.mark.req("D47", "allows")
async def test_without_an_address_of_mail_a_mail_is_refused_by_a_click(sessions: Sessions) -> None:
    brand = await of_brand(sessions, email="")
    await a_promotion(sessions, brand, Channel.EMAIL)
    desk = a_desk(sessions, SetClock(), refusal_url=lambda one: f"https://deneme.example/{one}")

    [left] = await desk.claim(Lane.JOURNEYS, 10)

    assert f"reddedebilirsiniz: https://deneme.example/{left.id}" in left.text


async def test_a_service_message_is_left_as_it_is(sessions: Sessions) -> None:
    brand = await of_brand(sessions, mersis="")
    await a_promotion(sessions, brand, Channel.SMS, MessageClass.SERVICE)

    [left] = await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10)

    assert left.text == "phishing/sms/tr"


@pytest.mark.req("D41", "blocks")
@pytest.mark.req("D41", "allows")
@pytest.mark.parametrize(
    ("changes", "leaves"),
    [
        pytest.param({"mersis": ""}, False, id="Turkish, without a number"),
        pytest.param({"mersis": "", "country": "PL"}, True, id="Polish, which needs none"),
        pytest.param(
            {"email": ""},
            False,
            id="no way to refuse a text message",
            marks=[pytest.mark.req("D01", "blocks"), pytest.mark.req("D47", "blocks")],
        ),
    ],
)
async def test_a_brand_that_cannot_be_named_promotes_nothing(
    sessions: Sessions, changes: dict[str, str], leaves: bool
) -> None:
    brand = await of_brand(sessions, **changes)
    message_id = await a_promotion(sessions, brand, Channel.SMS)

    claimed = await a_desk(sessions, SetClock()).claim(Lane.JOURNEYS, 10)

    row = await message(sessions, message_id)
    assert len(claimed) == leaves
    if not leaves:
        assert (row.state, row.code) == (MessageState.FAILED, "sender_incomplete")


@pytest.mark.req("D41", "blocks")
@pytest.mark.req("D41", "allows")
@pytest.mark.parametrize(
    ("mersis", "verdict"), [("", ("suppress", "sender_incomplete")), ("0000000000000011", "send")]
)
async def test_it_is_refused_before_it_is_queued(
    house: House, mersis: str, verdict: tuple[str, str] | str
) -> None:
    brand = await of_brand(house.sessions, mersis=mersis)
    both = {Channel.SMS: "+905320000101", Channel.EMAIL: "ayse@example.com"}
    async with house.sessions() as tx, tx.begin():
        agreed = dict.fromkeys(both, "granted")
        await a_customer(tx, brand, contacts=both, consents=agreed)
    async with house.sessions() as tx, tx.begin():
        event = await house.events.record(
            tx,
            brand=brand,
            customer_ref="ayse",
            type="login",
            payload={"method": "password", "surface": "web", "can_show_banner": False},
        )

    decided = next(one for one in event.decisions if one.topic == "iscep_promo")
    async with house.sessions() as tx:
        query = select(table(MessageRow).c.topic).where(table(MessageRow).c.topic == "iscep_promo")
        queued = (await tx.execute(query)).scalars().all()
    if mersis:
        assert decided.verdict == verdict
        assert queued == ["iscep_promo"]
    else:
        assert (decided.verdict, decided.reason) == verdict
        assert queued == []


def with_text(text: str, topic: str = '{"languages": ["tr", "en", "pl"]}') -> Edition:
    """Make an edition of which a service text says something else."""
    shipped = read_edition(None)
    changed = {"case_opened/sms.tr.j2": text, "case_opened/topic.json": topic}
    return pack({one.name: one.text for one in shipped.rules}, {**shipped.texts, **changed})


@pytest.mark.req("D25", "blocks")
@pytest.mark.req("D25", "allows")
@pytest.mark.req("A09", "blocks")
@pytest.mark.req("A09", "allows")
def test_an_edition_whose_service_text_promotes_is_not_published() -> None:
    unlawful = with_text("{{ case.number }}: bu ay indirim var")
    lawful = with_text("{{ case.number }}: kaydınız alındı")

    with pytest.raises(RulebookError) as refused:
        check(unlawful, load_routes(), day=NOON.date())

    [finding] = refused.value.findings
    assert (finding.file, finding.gravity) == ("case_opened/sms.tr.j2", "grave")
    assert all(
        "promotes" not in one.message for one in check(lawful, load_routes(), day=NOON.date())
    )


@pytest.mark.req("D25", "allows")
def test_a_dispute_is_kept_in_the_revision_and_warns() -> None:
    text = "{{ case.number }}: kampanya kaydınız alındı"
    topic = '{"languages": ["tr", "en", "pl"], "promotion": {"disputed": "it names his own plan"}}'
    disputed = with_text(text, topic)

    warned = check(disputed, load_routes(), day=NOON.date())

    assert any("it names his own plan" in one.message for one in warned)
    assert "it names his own plan" in disputed.files["templates/case_opened/topic.json"]
    assert disputed.revision != with_text(text).revision
