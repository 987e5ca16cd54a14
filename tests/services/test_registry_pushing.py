"""İYS is told of consents and refusals in time, once, in their order, whatever goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tellal import metrics
from tellal.domain.channels import Channel
from tellal.domain.consents import ConsentChannel
from tellal.persistence.session import Sessions
from tellal.services.registry_accounts import open_account
from tellal.services.registry_watch import counted
from tests.support.builders import a_customer
from tests.support.carrier import CarrierProbe
from tests.support.registry import BRAND_CODE, MONDAY, NUMBER, AtRegistry, at_registry
from tests.support.waiting import until

MAIL = "ayse@example.com"


@pytest.fixture
async def there(sessions: Sessions, carrier: CarrierProbe) -> AsyncIterator[AtRegistry]:
    async with at_registry(sessions, carrier) as place:
        async with sessions() as tx, tx.begin():
            contacts = {Channel.SMS: NUMBER, Channel.EMAIL: MAIL}
            await a_customer(tx, place.brand, "ayse", contacts=contacts)
        yield place


@pytest.mark.req("C07", "allows")
async def test_a_consent_stands_at_iys_before_its_deadline_as_it_was_given(
    there: AtRegistry,
) -> None:
    await there.says("ayse", "granted", source="web")

    there.pass_by(minutes=1)
    await there.sync.work()

    (record,) = there.carrier.iys_records(BRAND_CODE)
    shown = {name: record[name] for name in ("recipient", "type", "status", "source")}
    assert shown == {"recipient": NUMBER, "type": "MESAJ", "status": "ONAY", "source": "HS_WEB"}
    assert record["consentDate"] == "2026-03-02 12:00:00"
    assert record["recipientType"] == "BIREYSEL"
    (push,) = await there.pushes()
    assert (push.state, push.transaction) == ("accepted", record["transactionId"])
    assert push.due_at == datetime(2026, 3, 5, 21, tzinfo=UTC)
    assert push.pushed_at < push.due_at


async def test_all_three_ways_go_in_one_batch(there: AtRegistry) -> None:
    for channel in (ConsentChannel.SMS, ConsentChannel.EMAIL, ConsentChannel.CALL):
        await there.says("ayse", "granted", channel=channel)
    await there.says("ayse", "granted", channel=ConsentChannel.WHATSAPP)

    await there.sync.work()
    assert {row.state for row in await there.pushes()} == {"sent"}
    await asyncio.sleep(there.carrier.account.iys_batch_after_s)
    await there.in_step()

    assert [kind for _, kind, _ in there.there()] == ["ARAMA", "MESAJ", "EPOSTA"]
    assert await there.states() == [("accepted", "")] * 3


async def test_a_grant_and_its_refusal_go_in_their_order(there: AtRegistry) -> None:
    await there.says("ayse", "granted")
    there.pass_by(milliseconds=300)
    await there.says("ayse", "refused", source="preferences")

    there.pass_by(minutes=1)
    await there.in_step()

    assert there.there() == [(NUMBER, "MESAJ", "RET")]
    assert await there.states() == [("accepted", ""), ("accepted", "")]


async def test_a_refusal_of_whom_iys_never_had_a_grant_is_not_told(there: AtRegistry) -> None:
    await there.says("ayse", "refused")

    await there.in_step()

    assert await there.states() == [("needless", "never_granted")]
    assert there.there() == []


async def test_a_refusal_is_told_where_others_had_told_the_grant(there: AtRegistry) -> None:
    there.carrier.iys_citizen(BRAND_CODE, NUMBER, "ONAY")
    there.pass_by(minutes=1)
    await there.says("ayse", "refused")

    there.pass_by(minutes=1)
    await there.in_step()

    assert there.there() == [(NUMBER, "MESAJ", "RET")]


async def test_what_breaks_a_rule_never_leaves_and_is_shown(there: AtRegistry) -> None:
    await there.says("ayse", "granted", given_at=MONDAY - timedelta(days=20))
    await there.says("ayse", "granted", channel=ConsentChannel.EMAIL, source="import")

    await there.in_step()

    assert await there.states() == [("blocked", "too_old"), ("blocked", "no_source")]
    async with there.sessions() as tx:
        assert (await counted(tx, there.clock.now())).refused == 2


@pytest.mark.parametrize("code", ["H114", "H721"])
async def test_what_iys_rejects_keeps_its_code(there: AtRegistry, code: str) -> None:
    await there.says("ayse", "granted")
    there.carrier.fault("error", {"text": "POST /sps"}, code=code, times=1)

    await there.in_step()

    assert await there.states() == [("rejected", code)]


async def test_one_bad_record_does_not_spoil_its_batch(there: AtRegistry) -> None:
    await there.says("ayse", "granted")
    await there.says("ayse", "granted", channel=ConsentChannel.CALL)
    there.carrier.fault("error", {"text": "/consents/request"}, code="H503", times=1)

    await there.in_step()

    assert await there.states() == [("accepted", ""), ("accepted", "")]


@pytest.mark.parametrize(
    "fault",
    ["429", "500_before_accept", "500_after_accept", "503_html", "reset", "reset_after_accept",
     "hang_after_accept"],
)  # fmt: skip
async def test_whatever_goes_wrong_it_stands_there_once_in_the_end(
    there: AtRegistry, fault: str
) -> None:
    await there.says("ayse", "granted")
    there.carrier.fault(fault, {"text": "POST /sps"}, times=1)

    await there.sync.work()
    assert [row.state for row in await there.pushes()] == ["waiting"]
    there.pass_by(minutes=2)
    await there.sync.work()

    assert there.there() == [(NUMBER, "MESAJ", "ONAY")]
    ((state, _),) = await there.states()
    assert state == ("known" if fault.endswith("after_accept") else "accepted")


@pytest.mark.parametrize("channels", [1, 2], ids=["alone", "in a batch"])
async def test_a_worker_that_dies_while_it_tells_does_no_harm(
    there: AtRegistry, channels: int
) -> None:
    for channel in (ConsentChannel.SMS, ConsentChannel.CALL)[:channels]:
        await there.says("ayse", "granted", channel=channel)
    there.carrier.fault("hang_after_accept", {"text": "POST /sps"}, times=1)
    working = asyncio.create_task(there.sync.work())

    async def it_has_arrived() -> bool:
        return len(there.there()) == channels

    await until(it_has_arrived)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert {row.state for row in await there.pushes()} == {"sending"}
    there.pass_by(minutes=4)
    heir = there.another()
    await heir.work()
    await asyncio.sleep(there.carrier.account.iys_batch_after_s)
    there.pass_by(seconds=5)
    await heir.work()

    assert len(there.there()) == channels
    assert {state for state, _ in await there.states()} == {"known"}


async def test_two_workers_do_not_tell_the_same(there: AtRegistry) -> None:
    await there.says("ayse", "granted")

    await asyncio.gather(there.sync.work(), there.another().work())

    ((state, code),) = await there.states()
    assert (state, code) == ("accepted", "")


async def test_what_is_late_is_counted_and_said(
    there: AtRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    await there.says("ayse", "granted")
    there.carrier.fault("503_html", {"text": "POST /sps"})

    counts = []
    for _ in range(4):
        await there.sync.work()
        async with there.sessions() as tx:
            said = await counted(tx, there.clock.now())
        counts.append((said.waiting, said.soon, said.late))
        there.pass_by(days=1)

    assert counts == [(1, 0, 0), (1, 0, 0), (1, 0, 0), (0, 1, 0)]
    await there.sync.work()
    async with there.sessions() as tx:
        assert (await counted(tx, there.clock.now())).late == 1
    said_so = [(one.levelname, one.message) for one in caplog.records if "deadline" in one.message]
    assert ("WARNING", "İYS does not know of consents whose deadline is near") in said_so
    assert said_so[-1] == ("ERROR", "İYS does not know of consents whose deadline is over")
    assert NUMBER not in caplog.text


async def test_history_is_told_when_the_account_is_opened(
    sessions: Sessions, carrier: CarrierProbe
) -> None:
    async with at_registry(sessions, carrier) as place:
        async with sessions() as tx, tx.begin():
            await tx.execute(text("DELETE FROM registry_accounts"))
            granted = {Channel.SMS: "granted"}
            await a_customer(tx, place.brand, consents=granted)
        assert await place.pushes() == []
        async with sessions() as tx, tx.begin():
            number = await open_account(
                tx, place.brand, iys_code=1, brand_code=2, activated_on=None, now=MONDAY
            )

    assert number == 1


async def test_the_gauges_say_how_it_stands(there: AtRegistry) -> None:
    await there.says("ayse", "granted")
    await there.says("ayse", "granted", channel=ConsentChannel.EMAIL, source="import")
    there.carrier.fault("503_html", {"text": "POST /sps"})

    await there.sync.work()
    there.pass_by(days=3, hours=13)
    await there.sync.work()

    def shown(state: str) -> float | None:
        return metrics.LEDGER.get_sample_value("tellal_registry_records", {"state": state})

    assert [shown(one) for one in ("waiting", "soon", "late", "refused")] == [0, 0, 2, 2]
    assert metrics.LEDGER.get_sample_value("tellal_registry_pull_age_seconds") == 0
