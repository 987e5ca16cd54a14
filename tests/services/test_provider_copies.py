"""Providers are asked to delete their copies until they did, and what stays is listed."""

from datetime import timedelta

import pytest

from activities.assembly import forgetting_of
from activities.providers.smtp.email import SmtpEmail
from activities.providers.twilio.sms import TwilioSms
from tellal.domain.customers import Brand
from tellal.persistence.session import Sessions
from tellal.ports import Forgetting, Forgotten, Sender
from tellal.services.consents import Consents
from tellal.services.house import House
from tellal.services.leases import Leases
from tellal.services.person_erasure import Copy, Persons
from tellal.services.provider_copies import ProviderCopies
from tellal.settings import SmtpSettings
from tests.providers.test_twilio_sms import CALLBACKS, a_text, an_account_at
from tests.support.builders import a_brand
from tests.support.carrier import CarrierProbe, free_port
from tests.support.house import SetClock
from tests.support.marked import REF, a_marked_person
from tests.support.waiting import until


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


async def erased(house: House, clock: SetClock, brand: Brand, **reference: str) -> str:
    """Erase somebody whose message has such a reference at such a provider."""
    persons = Persons(Consents(clock), house.progress, clock)
    async with house.sessions() as tx, tx.begin():
        await a_marked_person(tx, brand, clock, **reference)
        return (await persons.erase(tx, brand, REF, by="dpo")).id


async def copies(house: House, clock: SetClock, brand: Brand, erasure: str) -> tuple[Copy, ...]:
    persons = Persons(Consents(clock), house.progress, clock)
    async with house.sessions() as tx:
        return (await persons.find(tx, brand.id, erasure)).copies


def worker(house: House, clock: SetClock, **senders: Sender) -> ProviderCopies:
    return ProviderCopies(
        forgetting_of(senders),
        sessions=house.sessions,
        clock=clock,
        leases=Leases(house.sessions, clock),
    )


async def test_twilio_deletes_its_copy_once_the_message_has_arrived(
    house: House, clock: SetClock, brand: Brand, carrier: CarrierProbe
) -> None:
    sms = TwilioSms(carrier.twilio(timeout_s=5.0), status_callback_url=CALLBACKS)
    sent = await sms.send(a_text())
    erasure = await erased(house, clock, brand, reference=sent.reference)
    working = worker(house, clock, twilio=sms)

    async def is_over() -> bool:
        await working.work()
        clock.pass_by(timedelta(hours=1))
        [copy] = await copies(house, clock, brand, erasure)
        return copy.state != "due"

    await until(is_over)
    [copy] = await copies(house, clock, brand, erasure)
    again = await sms.forget(sent.reference)
    await sms.close()
    assert (copy.state, copy.code) == ("deleted", "")
    assert again is Forgotten.DELETED
    assert await working.work() == 0


async def test_a_provider_that_is_away_is_asked_again_ever_more_rarely_and_given_up(
    house: House, clock: SetClock, brand: Brand
) -> None:
    away = TwilioSms(an_account_at(free_port()), status_callback_url=CALLBACKS)
    erasure = await erased(house, clock, brand)
    working = worker(house, clock, twilio=away)

    assert await working.work() == 1
    at_once = await working.work()
    clock.pass_by(timedelta(minutes=1))
    after_a_minute = await working.work()
    [waiting] = await copies(house, clock, brand, erasure)
    for _ in range(60):
        clock.pass_by(timedelta(days=1))
        await working.work()

    await away.close()
    [copy] = await copies(house, clock, brand, erasure)
    assert (at_once, after_a_minute) == (0, 1)
    assert (waiting.state, waiting.tries) == ("due", 2)
    assert (copy.state, copy.tries, copy.code) == ("kept", 40, "given_up")


async def test_what_no_provider_deletes_is_listed_as_kept(
    house: House, clock: SetClock, brand: Brand
) -> None:
    mail = SmtpEmail(SmtpSettings(host="localhost"))
    erasure = await erased(house, clock, brand, provider="smtp", reference="<1@tellal>")

    await worker(house, clock, smtp=mail).work()

    await mail.close()
    [copy] = await copies(house, clock, brand, erasure)
    assert not isinstance(mail, Forgetting)
    assert (copy.provider, copy.state, copy.code) == ("smtp", "kept", "provider_deletes_nothing")
