"""The commands for İYS: a brand's account, what is late, what İYS sees differently."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from tellal.clock import SystemClock
from tellal.domain.channels import Channel
from tellal.domain.consents import ConsentChannel
from tellal.persistence.session import Sessions
from tellal.services.registry_clock import registry_clock
from tellal.services.registry_reconciling import Difference, reconcile
from tests.support.builders import a_brand, a_customer
from tests.support.carrier import CarrierProbe
from tests.support.registry import BRAND_CODE, NUMBER, AtRegistry, at_registry
from tests.support.terminal import run

NAME = "anadolu-bank"


@pytest.fixture
async def there(sessions: Sessions, carrier: CarrierProbe) -> AsyncIterator[AtRegistry]:
    async with at_registry(sessions, carrier, at=SystemClock().now()) as place:
        async with sessions() as tx, tx.begin():
            await a_customer(tx, place.brand, "ayse", contacts={Channel.SMS: NUMBER})
        yield place


async def differences(there: AtRegistry) -> list[Difference]:
    found = await reconcile(
        there.registry, there.sessions, there.account, registry_clock().law, there.clock.at, days=3
    )
    return list(found.differences)


async def test_an_account_is_noted_with_what_the_ledger_has(
    sessions: Sessions, database_url: str
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, NAME)
        await a_customer(tx, brand, consents={Channel.SMS: "granted", Channel.PUSH: "granted"})
    numbers = ("--iys-code", "100001", "--brand-code", "200002", "--activated-on", "2026-03-02")

    said = await asyncio.to_thread(
        run, "registry", "account", NAME, *numbers, TELLAL_DATABASE_URL=database_url
    )

    assert (said.code, said.err) == (0, "")
    assert "200002 of 100001 at İYS; 1 consents are to be told" in said.out


async def test_the_report_names_what_is_refused_and_what_differs(
    there: AtRegistry, database_url: str
) -> None:
    refused = await there.says("ayse", "granted", channel=ConsentChannel.CALL, source="import")
    await there.says("ayse", "granted")
    there.carrier.iys_citizen(BRAND_CODE, "+905320000999", "RET")
    await there.in_step()
    iys = there.carrier.iys()
    words = ("report", "registry", "--brand", there.brand.name, "--reconcile")

    said = await asyncio.to_thread(
        run,
        *words,
        TELLAL_DATABASE_URL=database_url,
        TELLAL_IYS__USERNAME=iys.username,
        TELLAL_IYS__PASSWORD=iys.password.get_secret_value(),
        TELLAL_IYS__BASE_URL=iys.base_url,
    )

    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "not at İYS: 0 in time, 0 due soon, 0 late, 1 refused"
    assert lines[2] == "settled: 1 accepted, 0 known, 0 needless"
    assert lines[3].startswith(f"{refused.id}  ayse  call granted by import, given ")
    assert lines[3].endswith(": blocked no_source, 0 attempts")
    assert lines[4] == "compared: 2, different: 1"
    assert lines[5].startswith("-  sms individual: here nothing, at İYS refused: nobody here")
    assert NUMBER not in said.out


async def test_what_differs_says_why(there: AtRegistry) -> None:
    await there.says("ayse", "granted")
    await there.sync.work()
    assert await differences(there) == []
    there.pass_by(minutes=1)
    await there.says("ayse", "refused")

    (behind,) = await differences(there)
    await there.sync.work()
    in_step = await differences(there)
    there.pass_by(minutes=1)
    there.carrier.iys_citizen(BRAND_CODE, NUMBER, "ONAY")
    there.pass_by(minutes=1)
    (ahead,) = await differences(there)

    assert (behind.who, behind.here, behind.there) == ("ayse", "refused", "granted")
    assert behind.why == "İYS is still to be told"
    assert in_step == []
    assert (ahead.here, ahead.there) == ("refused", "granted")
    assert ahead.why == "İYS has something newer, not pulled yet"


async def test_what_iys_has_lost_is_found(there: AtRegistry) -> None:
    await there.says("ayse", "granted")
    await there.sync.work()
    now = there.clock.at
    there.carrier.reset()
    there.carrier.iys_clock(now + timedelta(seconds=1))

    (lost,) = await differences(there)

    assert (lost.who, lost.here, lost.there) == ("ayse", "granted", "")
    assert lost.why == "İYS has no record, which means refusal"


async def test_what_was_refused_is_told_again_or_left(there: AtRegistry, database_url: str) -> None:
    record = await there.says("ayse", "granted")
    there.carrier.fault("error", {"text": "POST /sps"}, code="H114", times=1)
    await there.sync.work()
    assert await there.states() == [("rejected", "H114")]
    name = there.brand.name

    left = await asyncio.to_thread(
        run, "registry", "dismiss", name, record.id, TELLAL_DATABASE_URL=database_url
    )
    assert (left.code, await there.states()) == (0, [("needless", "H114")])
    async with there.sessions() as tx, tx.begin():
        await tx.execute(text("UPDATE registry_pushes SET state = 'rejected'"))
    again = await asyncio.to_thread(
        run, "registry", "retry", name, TELLAL_DATABASE_URL=database_url
    )
    await there.in_step()

    assert again.out == "1 records wait again.\n"
    assert await there.states() == [("accepted", "")]
