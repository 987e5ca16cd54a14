"""Alerts that credit runs low: by text and by mail, once for each crossing, whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import text

from activities.assembly import SendersOnDemand
from tellal.domain.channels import Channel, Lane
from tellal.domain.customers import Brand
from tellal.domain.routes import Price, Route, RouteTable
from tellal.persistence.session import Sessions
from tellal.services.allow_list import AllowList
from tellal.services.credit import Terms
from tellal.services.credit_alerts import IN_DOUBT_AFTER, CreditAlerts
from tellal.settings import Settings
from templates.credit_words import LANGUAGES, credit_alert
from tests.support.builders import a_brand
from tests.support.carrier import CarrierProbe, MailboxProbe
from tests.support.credit import PRICED, alerts, an_account, pay_in, stands, sums
from tests.support.desk import EVERYWHERE, a_desk
from tests.support.ledger import SetClock, a_message

MOBILE, MAIL = "+905320000999", "cfo@anadolu.example"
COST = Decimal("0.25")
ROUTES = RouteTable(
    routes=(
        Route(
            name="twilio",
            provider="twilio",
            channel=Channel.SMS,
            carries=EVERYWHERE,
            price=Price(amount=COST, currency="TRY"),
        ),
        Route(name="smtp", provider="smtp", channel=Channel.EMAIL, carries=EVERYWHERE),
    )
)
TERMS = Terms(
    thresholds=(Decimal("1.00"),), alert_reserve=Decimal("0.50"), mobile=MOBILE, email=MAIL
)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def senders(carrier: CarrierProbe, mailbox: MailboxProbe) -> AsyncIterator[SendersOnDemand]:
    made = SendersOnDemand(Settings(twilio=carrier.twilio(), smtp=mailbox.smtp()))
    yield made
    await made.close()


@pytest.fixture
def telling(sessions: Sessions, clock: SetClock, senders: SendersOnDemand) -> CreditAlerts:
    return CreditAlerts(sessions, clock, senders=senders, routes=ROUTES)


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


async def crossed(
    sessions: Sessions, brand: Brand, clock: SetClock, terms: Terms = TERMS, credit: str = "1.05"
) -> None:
    """Let an account fall below its threshold by a message of ten kuruş."""
    async with sessions() as tx, tx.begin():
        await an_account(tx, brand, clock, credit, terms=terms)
    await leaves(sessions, brand, clock)


async def leaves(sessions: Sessions, brand: Brand, clock: SetClock) -> None:
    async with sessions() as tx, tx.begin():
        await a_message(tx, brand)
    await a_desk(sessions, clock, routes=PRICED).claim(Lane.JOURNEYS, 10)


async def states(sessions: Sessions) -> dict[str, str]:
    return {way: state for way, _, state in await alerts(sessions)}


@pytest.mark.req("D74", "allows")
async def test_a_crossing_is_told_by_text_and_by_mail(
    *,
    telling: CreditAlerts,
    sessions: Sessions,
    brand: Brand,
    clock: SetClock,
    carrier: CarrierProbe,
    mailbox: MailboxProbe,
) -> None:
    await crossed(sessions, brand, clock)

    told = await telling.tell()

    assert told == 2
    [taken] = carrier.book(to=MOBILE)
    assert "1.00 TRY altına düştü. Kalan: 0.95 TRY." in taken["text"]
    [raw] = mailbox.raw(MAIL)
    mail = message_from_bytes(raw, policy=default)
    assert mail["Subject"] == "main: kredi 1.00 TRY altında"
    assert "Bunun bu uyarılara ayrılan kısmı: 0.50 TRY" in mail.get_content()


@pytest.mark.req("D74", "blocks")
async def test_nobody_is_told_twice_of_one_crossing(
    *,
    telling: CreditAlerts,
    sessions: Sessions,
    brand: Brand,
    clock: SetClock,
    senders: SendersOnDemand,
    carrier: CarrierProbe,
    mailbox: MailboxProbe,
) -> None:
    await crossed(sessions, brand, clock)
    others = [CreditAlerts(sessions, clock, senders=senders, routes=ROUTES) for _ in range(3)]

    await asyncio.gather(*(one.tell() for one in [telling, *others]))
    await leaves(sessions, brand, clock)
    again = await telling.tell()

    assert again == 0
    assert (carrier.requests(to=MOBILE), mailbox.attempts(MAIL)) == (1, 1)


@pytest.mark.req("D74", "allows")
async def test_after_a_top_up_the_next_crossing_is_told_again(
    telling: CreditAlerts,
    sessions: Sessions,
    brand: Brand,
    clock: SetClock,
    carrier: CarrierProbe,
) -> None:
    await crossed(sessions, brand, clock)
    await telling.tell()

    await pay_in(sessions, brand, clock, "0.60")
    await leaves(sessions, brand, clock)
    await telling.tell()

    assert carrier.requests(to=MOBILE) == 2


@pytest.mark.req("D74", "allows")
async def test_the_text_is_paid_from_what_customers_messages_leave_over(
    telling: CreditAlerts, sessions: Sessions, brand: Brand, clock: SetClock
) -> None:
    # The first message crosses; the second finds nothing but the reserve for alerts.
    terms = replace(TERMS, thresholds=(Decimal("0.65"),))
    await crossed(sessions, brand, clock, terms, credit="0.68")
    await leaves(sessions, brand, clock)
    before = await stands(sessions, brand, clock)

    await telling.tell()

    after = await stands(sessions, brand, clock)
    segments = (before.available - after.available) / COST
    assert (before.available, before.held_back) == (Decimal("0.58"), 1)
    assert segments in {1, 2}
    by_kind = await sums(sessions, after)
    assert sum(by_kind.values()) == Decimal("0.68") + Decimal("0.10") + 2 * segments * COST


@pytest.mark.req("D74", "blocks")
async def test_without_any_credit_there_is_no_text_and_still_a_mail(
    *,
    telling: CreditAlerts,
    sessions: Sessions,
    brand: Brand,
    clock: SetClock,
    carrier: CarrierProbe,
    mailbox: MailboxProbe,
) -> None:
    terms = replace(TERMS, thresholds=(Decimal("0.10"),), alert_reserve=Decimal(0))
    await crossed(sessions, brand, clock, terms, credit="0.15")

    await telling.tell()

    assert await states(sessions) == {"sms": "unpaid", "email": "sent"}
    assert (carrier.requests(to=MOBILE), mailbox.attempts(MAIL)) == (0, 1)


async def test_a_death_in_the_middle_is_looked_up_before_anything_is_sent_again(
    telling: CreditAlerts,
    sessions: Sessions,
    brand: Brand,
    clock: SetClock,
    carrier: CarrierProbe,
) -> None:
    await crossed(sessions, brand, clock, replace(TERMS, email=""))
    await telling.tell()
    async with sessions() as tx, tx.begin():
        # As a process leaves it that died after Twilio took the text.
        await tx.execute(text("UPDATE credit_alerts SET state = 'begun', ended_at = NULL"))

    at_once = await telling.tell()
    clock.at += IN_DOUBT_AFTER + timedelta(seconds=1)
    later = await telling.tell()

    assert (at_once, later) == (0, 1)
    assert carrier.taken(to=MOBILE) == 1
    assert await states(sessions) == {"sms": "sent"}


async def test_a_death_before_the_call_is_made_good_and_paid_once(
    telling: CreditAlerts,
    sessions: Sessions,
    brand: Brand,
    clock: SetClock,
    carrier: CarrierProbe,
) -> None:
    await crossed(sessions, brand, clock, replace(TERMS, email=""))
    async with sessions() as tx, tx.begin():
        [alert_id] = (await tx.execute(text("SELECT id FROM credit_alerts"))).scalars()
        begun = await telling._begin(tx, alert_id)
    assert begun is not None

    clock.at += IN_DOUBT_AFTER + timedelta(seconds=1)
    told = await telling.tell()

    account = await stands(sessions, brand, clock)
    assert (told, carrier.taken(to=MOBILE)) == (1, 1)
    assert account.balance == Decimal("1.05") - COST * begun.message.segments
    assert account.reserved == Decimal("0.10")


async def test_a_provider_that_is_busy_is_asked_again_later(
    telling: CreditAlerts,
    sessions: Sessions,
    brand: Brand,
    clock: SetClock,
    carrier: CarrierProbe,
) -> None:
    await crossed(sessions, brand, clock, replace(TERMS, email=""))
    carrier.fault("429", {"to": MOBILE}, times=1)

    first = await telling.tell()
    too_early = await telling.tell()
    between = await stands(sessions, brand, clock)
    clock.advance(seconds=6)
    second = await telling.tell()

    assert (first, too_early, second) == (0, 0, 1)
    assert between.available == Decimal("0.95")
    assert carrier.taken(to=MOBILE) == 1


@pytest.mark.req("D74", "blocks")
async def test_on_a_staging_set_up_only_the_allow_list_is_told(
    *,
    sessions: Sessions,
    brand: Brand,
    clock: SetClock,
    senders: SendersOnDemand,
    carrier: CarrierProbe,
    mailbox: MailboxProbe,
) -> None:
    await crossed(sessions, brand, clock)
    only = AllowList.of([MAIL])

    await CreditAlerts(sessions, clock, senders=senders, routes=ROUTES, only=only).tell()

    assert await states(sessions) == {"sms": "refused", "email": "sent"}
    assert (carrier.requests(to=MOBILE), mailbox.attempts(MAIL)) == (0, 1)


@pytest.mark.parametrize("language", [*LANGUAGES, "de"])
@pytest.mark.parametrize("channel", [Channel.SMS, Channel.EMAIL])
def test_every_language_says_what_is_left(channel: Channel, language: str) -> None:
    said = {
        "brand": "Anadolu",
        "account": "main",
        "currency": "TRY",
        "threshold": "100.00",
        "available": "99.50",
        "kept": "10.00",
        "crossed": "2026-03-02 15:00",
    }

    written = credit_alert(channel, language, said)

    assert all(words in written.text for words in ("Anadolu", "main", "100.00 TRY", "99.50 TRY"))
    assert bool(written.subject) is (channel is Channel.EMAIL)
