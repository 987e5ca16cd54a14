"""İYS' client against the simulator: tokens, answers, and what every failure means."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from activities.providers.iys.client import IysRegistry
from activities.providers.iys.codes import CODES
from tellal.domain.consent_rules import LAW_IN_FORCE, REGISTRY_TIME
from tellal.domain.registry import (
    Kind,
    Known,
    Party,
    RegistryKey,
    RegistryRecord,
    Status,
    in_registry_time,
)
from tellal.domain.registry_answers import Account, RegistryError, Side, Taken, Told, Trouble
from tests.support.answering import Answering
from tests.support.carrier import CarrierProbe
from tests.support.ledger import SetClock
from tests.support.registry import BRAND_CODE, IYS_CODE, MONDAY, NUMBER

ACCOUNT = Account(brand_id="b", iys_code=IYS_CODE, brand_code=BRAND_CODE)
KEY = RegistryKey(recipient=NUMBER, party=Party.INDIVIDUAL, kind=Kind.TEXT)
GIVEN = in_registry_time(MONDAY) - timedelta(minutes=10)
GRANT = RegistryRecord(key=KEY, status=Status.GRANTED, source="HS_WEB", given_at=GIVEN)
REFUSAL = replace(
    GRANT, status=Status.REFUSED, source="HS_MESAJ", given_at=GIVEN + timedelta(minutes=1)
)
MERCHANT = replace(GRANT, key=replace(KEY, party=Party.MERCHANT))


@pytest.fixture
def clock(carrier: CarrierProbe) -> SetClock:
    carrier.iys_clock(MONDAY)
    return SetClock(MONDAY)


@pytest.fixture
async def registry(carrier: CarrierProbe, clock: SetClock) -> AsyncIterator[IysRegistry]:
    client = IysRegistry(carrier.iys(timeout_s=0.5), clock)
    yield client
    await client.close()


async def test_a_record_is_told_and_found(registry: IysRegistry) -> None:
    assert await registry.known(ACCOUNT, KEY) is None

    told = await registry.add(ACCOUNT, GRANT)

    assert told.taken is Taken.ACCEPTED
    assert told.transaction
    known = Known(status=Status.GRANTED, given_at=GIVEN, source="HS_WEB")
    assert await registry.known(ACCOUNT, KEY) == known


async def test_a_batch_says_later_what_came_of_each(
    registry: IysRegistry, carrier: CarrierProbe
) -> None:
    early = replace(MERCHANT, given_at=LAW_IN_FORCE - timedelta(seconds=1))

    batch = await registry.add_batch(ACCOUNT, [GRANT, early])
    at_once = await registry.told_of(ACCOUNT, batch.request)
    later = at_once
    async with httpx.AsyncClient() as other:
        while any(one.taken is Taken.WAITS for one in later.values()):
            await other.get(f"{carrier.url}/healthz")
            later = await registry.told_of(ACCOUNT, batch.request)

    assert {one.taken for one in at_once.values()} == {Taken.WAITS}
    good, bad = (later[part] for part in batch.parts)
    assert good.taken is Taken.ACCEPTED
    assert bad == Told(taken=Taken.REJECTED, code="H155")


@pytest.mark.parametrize(
    ("before", "record", "code", "taken"),
    [
        pytest.param([GRANT], replace(REFUSAL, given_at=GIVEN), "H178", Taken.DOUBTFUL, id="1"),
        pytest.param([], replace(GRANT, source="IYS_WEB"), "H119", Taken.REJECTED, id="2"),
        pytest.param([], REFUSAL, "H175", Taken.NEEDLESS, id="3"),
        pytest.param(
            [],
            replace(GRANT, given_at=LAW_IN_FORCE - timedelta(seconds=1)),
            "H155",
            Taken.REJECTED,
            id="4",
        ),
        pytest.param(
            [],
            replace(GRANT, given_at=in_registry_time(MONDAY) + timedelta(seconds=1)),
            "H162",
            Taken.REJECTED,
            id="5",
        ),
        pytest.param([], replace(GRANT, source="HS_2015"), "H156", Taken.REJECTED, id="6"),
        pytest.param([], replace(GRANT, given_at=None), "H112", Taken.REJECTED, id="8"),
        pytest.param(
            [GRANT], replace(GRANT, given_at=GIVEN + timedelta(seconds=1)), "H174", Taken.KNOWN,
            id="9",
        ),
        pytest.param(
            [], replace(GRANT, given_at=GIVEN - timedelta(days=7)), "H999", Taken.REJECTED, id="10"
        ),
        pytest.param(
            [],
            replace(GRANT, key=replace(KEY, recipient="05320000101")),
            "H121",
            Taken.REJECTED,
            id="number",
        ),
        pytest.param(
            [], replace(GRANT, source="HS_KARAR"), "H408", Taken.REJECTED, id="decision"
        ),
    ],
)  # fmt: skip
async def test_iys_keeps_its_rules(
    registry: IysRegistry, before: list[RegistryRecord], record: RegistryRecord, code: str,
    taken: Taken,
) -> None:  # fmt: skip
    for one in before:
        await registry.add(ACCOUNT, one)

    told = await registry.add(ACCOUNT, record)

    assert (told.code, told.taken) == (code, taken)


async def test_iys_takes_what_keeps_its_rules(registry: IysRegistry, carrier: CarrierProbe) -> None:
    bare = replace(MERCHANT, source="", given_at=None)
    deemed = replace(
        GRANT,
        source="HS_2015",
        given_at=LAW_IN_FORCE,
        key=replace(KEY, kind=Kind.MAIL, recipient="ayse@example.com"),
    )
    carrier.iys_before_activation(BRAND_CODE)

    told = [await registry.add(ACCOUNT, one) for one in (GRANT, REFUSAL, bare, deemed)]

    assert {one.taken for one in told} == {Taken.ACCEPTED}


async def test_the_same_key_twice_spoils_a_batch(registry: IysRegistry) -> None:
    with pytest.raises(RegistryError) as raised:
        await registry.add_batch(ACCOUNT, [GRANT, REFUSAL])

    assert (raised.value.trouble, raised.value.codes) == (Trouble.REFUSED, ("H194",))


async def test_movements_are_read_page_by_page(
    registry: IysRegistry, carrier: CarrierProbe, clock: SetClock
) -> None:
    await registry.add(ACCOUNT, GRANT)
    carrier.iys_citizen(BRAND_CODE, NUMBER, "RET", source="IYS_3338")
    assert (await registry.changes(ACCOUNT, Side.CITIZEN, "")).changes == ()
    clock.advance(hours=1)
    carrier.iys_clock(clock.at)

    first = await registry.changes(ACCOUNT, Side.CITIZEN, "")
    second = await registry.changes(ACCOUNT, Side.CITIZEN, first.after)

    (change,) = first.changes
    assert (change.record.status, change.record.source) == (Status.REFUSED, "IYS_3338")
    assert change.created_at == MONDAY
    assert (second.changes, second.after) == ((), first.after)


async def test_the_file_of_a_day_has_both_sides(
    registry: IysRegistry, carrier: CarrierProbe
) -> None:
    await registry.add(ACCOUNT, GRANT)
    carrier.iys_citizen(BRAND_CODE, NUMBER, "RET")
    today = MONDAY.astimezone(REGISTRY_TIME).date()

    found = await registry.changes_of(ACCOUNT, today)

    assert [one.record.status for one in found] == [Status.GRANTED, Status.REFUSED]
    assert found[0].record == GRANT
    with pytest.raises(RegistryError) as raised:
        await registry.changes_of(ACCOUNT, today - timedelta(days=8))
    assert raised.value.codes == ("H501",)


async def test_one_token_serves_until_it_ends_and_is_renewed(
    registry: IysRegistry, carrier: CarrierProbe, clock: SetClock
) -> None:
    counted = []
    for hours in (0, 1, 1, 5):
        clock.advance(hours=hours)
        carrier.iys_clock(clock.at)
        await registry.known(ACCOUNT, KEY)
        counted.append(tuple(carrier.iys_tokens().values()))

    assert counted == [(1, 0), (1, 0), (1, 1), (2, 1)]


async def test_a_token_that_iys_forgot_is_fetched_anew(
    registry: IysRegistry, carrier: CarrierProbe
) -> None:
    await registry.known(ACCOUNT, KEY)
    carrier.iys_forgets_tokens()

    told = await registry.add(ACCOUNT, GRANT)

    assert told.taken is Taken.ACCEPTED
    assert carrier.iys_tokens() == {"logins": 2, "refreshes": 0}


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [
        ("429", Trouble.LIMITED),
        ("500_before_accept", Trouble.LOST),
        ("500_after_accept", Trouble.LOST),
        ("503_html", Trouble.LOST),
        ("hang", Trouble.LOST),
        ("reset_after_accept", Trouble.LOST),
    ],
)
async def test_what_a_failure_means(
    registry: IysRegistry, carrier: CarrierProbe, fault: str, trouble: Trouble
) -> None:
    more = {"retry_after": 7} if fault == "429" else {}
    carrier.fault(fault, {"text": "POST /sps"}, **more)

    with pytest.raises(RegistryError) as raised:
        await registry.add(ACCOUNT, GRANT)

    assert raised.value.trouble is trouble
    assert raised.value.retry_after_s == (7 if fault == "429" else None)
    (found,) = carrier.http.get("/_carrier/faults").json()
    assert found["fired"] == 1
    assert NUMBER not in str(raised.value)


async def test_too_many_requests_in_a_second_are_refused(
    registry: IysRegistry, carrier: CarrierProbe
) -> None:
    troubles = set()
    for _ in range(carrier.account.iys_requests_a_second * 3):
        try:
            await registry.known(ACCOUNT, KEY)
        except RegistryError as error:
            troubles.add((error.trouble, error.codes))
            break

    assert troubles == {(Trouble.LIMITED, ("H124",))}


async def test_a_wrong_password_is_denied_and_tells_nothing(carrier: CarrierProbe) -> None:
    settings = carrier.iys().model_copy(update={"password": SecretStr("guessed")})
    client = IysRegistry(settings)

    with pytest.raises(RegistryError) as raised:
        await client.known(ACCOUNT, KEY)
    await client.close()

    assert raised.value.trouble is Trouble.DENIED
    assert "guessed" not in str(raised.value)


async def test_nobody_there_is_known_to_have_done_nothing(carrier: CarrierProbe) -> None:
    settings = carrier.iys().model_copy(update={"base_url": "http://127.0.0.1:1"})
    client = IysRegistry(settings)

    with pytest.raises(RegistryError) as raised:
        await client.add(ACCOUNT, GRANT)
    await client.close()

    assert raised.value.trouble is Trouble.UNREACHABLE


TOKEN: dict[str, Any] = {
    "access_token": "a", "refresh_token": "r", "expires_in": 7200, "refresh_expires_in": 14400,
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_the_table_means_something_to_do(code: str) -> None:
    assert CODES[code] not in {Taken.ACCEPTED, Taken.WAITS}


async def test_a_movement_that_cannot_be_read_hides_none_behind_it(
    carrier: CarrierProbe, caplog: pytest.LogCaptureFixture
) -> None:
    good = {
        "recipient": NUMBER, "recipientType": "BIREYSEL", "type": "MESAJ", "status": "RET",
        "source": "IYS_WEB", "consentDate": "2026-03-02 12:00:00",
        "creationDate": "2026-03-02 12:00:01", "transactionId": "t",
    }  # fmt: skip
    document = {**TOKEN, "after": "1_x", "list": [{**good, "type": "FAKS"}, good]}
    async with Answering(200, document) as server:
        client = IysRegistry(carrier.iys().model_copy(update={"base_url": server.url}))
        page = await client.changes(ACCOUNT, Side.CITIZEN, "")
        await client.close()

    assert [one.transaction for one in page.changes] == ["t"]
    assert "unreadable" in caplog.text
    assert NUMBER not in caplog.text


async def test_nothing_of_a_person_is_logged(
    registry: IysRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    await registry.add(ACCOUNT, GRANT)
    await registry.add(ACCOUNT, GRANT)
    await registry.known(ACCOUNT, KEY)
    await registry.changes_of(ACCOUNT, MONDAY.date())

    said = [record.getMessage() for record in caplog.records]
    assert said
    assert [line for line in said if NUMBER in line or NUMBER.removeprefix("+90") in line] == []
