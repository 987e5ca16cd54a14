"""What citizens say at İYS is heard, once, and stops what was still to leave."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.consents import ConsentChannel
from tellal.domain.registry import Kind, Party, RegistryKey, RegistryRecord, Status
from tellal.domain.registry_answers import Side
from tellal.persistence.session import Sessions
from tellal.services.consents import Consents
from tests.support.builders import a_customer
from tests.support.carrier import CarrierProbe
from tests.support.desk import a_desk
from tests.support.ledger import a_message, message
from tests.support.registry import BRAND_CODE, NUMBER, AtRegistry, at_registry

pytestmark = pytest.mark.req("C06")
MAIL = "Ayse@example.com"


@pytest.fixture
async def there(sessions: Sessions, carrier: CarrierProbe) -> AsyncIterator[AtRegistry]:
    async with at_registry(sessions, carrier) as place:
        async with sessions() as tx, tx.begin():
            contacts = {Channel.SMS: NUMBER, Channel.EMAIL: MAIL}
            await a_customer(tx, place.brand, "ayse", contacts=contacts)
        yield place


async def pulled(there: AtRegistry) -> list[tuple[str, str, str]]:
    """Let the hour pass of which İYS tells nothing; return the ledger's channels and sources."""
    there.pass_by(hours=1, minutes=1)
    await there.sync.work()
    return [(row.channel, row.state, row.source) for row in await there.consents()]


@pytest.mark.req("C06", "blocks")
async def test_a_refusal_at_iys_stops_what_is_queued(there: AtRegistry) -> None:
    granted = await there.says("ayse", "granted")
    await there.sync.work()
    async with there.sessions() as tx, tx.begin():
        offer = await a_message(
            tx,
            there.brand,
            customer_id=granted.customer_id,
            message_class=MessageClass.COMMERCIAL,
            not_before=there.clock.at,
            expires_at=there.clock.at + timedelta(hours=8),
        )
    there.pass_by(minutes=1)
    there.carrier.iys_citizen(BRAND_CODE, NUMBER, "RET", source="IYS_3338")
    said_at = there.clock.at

    found = await pulled(there)
    claimed = await a_desk(there.sessions, there.clock).claim(Lane.JOURNEYS, 10)

    assert found == [("sms", "granted", "branch"), ("sms", "refused", "IYS_3338")]
    refusal = (await there.consents())[-1]
    assert (refusal.given_at, refusal.recorded_by) == (said_at, "registry")
    assert not claimed
    assert (await message(there.sessions, offer)).code == "no_consent"
    # It came from İYS, so İYS is not told.
    assert [state for state, _ in await there.states()] == ["accepted"]


@pytest.mark.req("C06", "blocks")
@pytest.mark.req("C06", "allows")
async def test_a_grant_at_iys_counts_and_the_newer_wins(there: AtRegistry) -> None:
    there.carrier.iys_citizen(BRAND_CODE, NUMBER, "ONAY", source="IYS_MOBIL")
    there.pass_by(minutes=1)
    await there.says("ayse", "refused", source="preferences")

    found = await pulled(there)

    assert ("sms", "granted", "IYS_MOBIL") in found
    async with there.sessions() as tx:
        stands = await Consents(there.clock).standing(
            tx, there.brand.id, "ayse", ConsentChannel.SMS
        )
    assert (stands.state, stands.record and stands.record.source) == ("refused", "preferences")


async def test_the_same_movement_is_worked_in_once(there: AtRegistry) -> None:
    there.carrier.iys_citizen(BRAND_CODE, NUMBER, "ONAY")
    assert len(await pulled(there)) == 1
    async with there.sessions() as tx, tx.begin():
        # As if the worker had died before it wrote down how far it had read.
        await tx.execute(text("UPDATE registry_accounts SET citizens_after = ''"))

    assert len(await pulled(there)) == 1
    page = await there.registry.changes(there.account, Side.CITIZEN, "")
    assert len(page.changes) == 1


async def test_what_we_told_does_not_come_back(there: AtRegistry) -> None:
    await there.says("ayse", "granted")
    await there.sync.work()

    found = await pulled(there)
    page = await there.registry.changes(there.account, Side.SENDER, "")

    assert len(page.changes) == 1
    assert found == [("sms", "granted", "branch")]


async def test_of_what_others_told_in_our_name_a_refusal_counts(there: AtRegistry) -> None:
    key = RegistryKey(recipient=NUMBER, party=Party.INDIVIDUAL, kind=Kind.TEXT)
    grant = RegistryRecord(key=key, status=Status.GRANTED, source="HS_ATM", given_at=there.clock.at)
    await there.registry.add(there.account, grant)
    there.pass_by(minutes=1)
    refusal = replace(grant, status=Status.REFUSED, given_at=there.clock.at)
    await there.registry.add(there.account, refusal)

    found = await pulled(there)

    assert found == [("sms", "refused", "HS_ATM")]
    assert await there.states() == [("known", "")]


async def test_a_page_ends_where_the_next_begins(there: AtRegistry) -> None:
    numbers = [f"+9053200{n:05d}" for n in range(there.carrier.account.iys_changes_page + 7)]
    for number in numbers:
        there.carrier.iys_citizen(BRAND_CODE, number, "ONAY")
    there.carrier.iys_citizen(BRAND_CODE, NUMBER, "ONAY")

    found = await pulled(there)

    assert found == [("sms", "granted", "IYS_WEB")]


async def test_a_mail_is_the_same_however_its_letters_are_written(there: AtRegistry) -> None:
    there.carrier.iys_citizen(BRAND_CODE, MAIL.upper(), "RET", type="EPOSTA")

    assert await pulled(there) == [("email", "refused", "IYS_WEB")]


async def test_a_source_that_iys_has_added_since_loses_no_refusal(there: AtRegistry) -> None:
    there.carrier.iys_citizen(BRAND_CODE, NUMBER, "RET", source="IYS_ROBOT")

    assert await pulled(there) == [("sms", "refused", "IYS_WEB")]
    assert (await there.consents())[0].evidence["registry_source"] == "IYS_ROBOT"


async def test_trouble_is_over_with_the_next_pull(
    there: AtRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    there.carrier.iys_citizen(BRAND_CODE, NUMBER, "RET")
    there.carrier.fault("503_html", {"text": "/changes"}, times=1)

    assert await pulled(there) == []
    assert await pulled(there) == [("sms", "refused", "IYS_WEB")]
    assert NUMBER not in caplog.text
