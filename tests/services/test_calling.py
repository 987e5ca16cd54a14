"""Webhooks are called until they take it: over HTTP, on a real database."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientConnectorError
from standardwebhooks import Webhook as Verifier

from tellal.domain.customers import Brand
from tellal.domain.webhooks import PAUSES
from tellal.open_internet import PrivateAddressError, open_internet
from tellal.persistence.session import Sessions
from tellal.services.calling import Calling
from tellal.services.webhooks import (
    Call,
    add_webhook,
    announce,
    end_webhook,
    list_calls,
    list_webhooks,
)
from tests.support.answering import Answering
from tests.support.builders import a_brand
from tests.support.house import SetClock

pytestmark = pytest.mark.req("B05")

KIND = "outage.confirmed"
BODY: Mapping[str, object] = {"title": "Tepebaşı trafo arızası"}


@pytest.fixture
def clock() -> SetClock:
    """The time of now: receivers refuse calls that are minutes old."""
    return SetClock(datetime.now(UTC))


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


@pytest.fixture
def calling(sessions: Sessions, clock: SetClock) -> Calling:
    return Calling(sessions, clock, private=True)


async def hook(sessions: Sessions, brand: Brand, url: str, clock: SetClock) -> tuple[str, str]:
    async with sessions() as tx, tx.begin():
        made, secret = await add_webhook(
            tx, brand.id, url=url, means="", made_by="crm", now=clock.now(), private=True
        )
    return made.id, secret


async def tell(sessions: Sessions, brand: Brand, clock: SetClock) -> int:
    async with sessions() as tx, tx.begin():
        return await announce(tx, brand.id, KIND, BODY, clock.now())


async def calls_of(
    sessions: Sessions, brand: Brand, webhook_id: str, state: str = ""
) -> tuple[Call, ...]:
    async with sessions() as tx:
        return await list_calls(tx, brand.id, webhook_id, state=state)


async def test_a_call_is_signed_and_taken(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    async with Answering(204) as partner:
        webhook_id, secret = await hook(sessions, brand, f"{partner.url}/outages", clock)
        assert await tell(sessions, brand, clock) == 1
        made = await calling.call_due()
        again = await calling.call_due()

    (request,) = partner.requests
    said = Verifier(secret).verify(request.body, dict(request.headers))
    (call,) = await calls_of(sessions, brand, webhook_id, "taken")
    assert (made, again) == (1, 0)
    assert said == {"type": KIND, "timestamp": call.created_at.isoformat(), "data": BODY}
    assert request.headers["webhook-id"] == call.id
    assert request.headers["content-type"] == "application/json"
    assert (call.tries, call.answer, call.due_at) == (1, "204", None)


async def test_a_call_that_fails_comes_again_for_a_day_and_is_then_given_up(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    began = clock.now()
    async with Answering(500) as partner:
        webhook_id, _ = await hook(sessions, brand, partner.url, clock)
        await tell(sessions, brand, clock)
        for pause in PAUSES:
            assert await calling.call_due() == 1
            (waiting,) = await calls_of(sessions, brand, webhook_id, "waiting")
            assert waiting.due_at == clock.now() + pause
            clock.pass_by(pause - timedelta(milliseconds=1))
            assert await calling.call_due() == 0
            clock.pass_by(timedelta(milliseconds=1))
        assert await calling.call_due() == 1
        clock.pass_by(timedelta(days=30))
        assert await calling.call_due() == 0

    (call,) = await calls_of(sessions, brand, webhook_id, "given_up")
    assert (call.tries, call.answer) == (len(PAUSES) + 1, "500")
    assert call.done_at == began + sum(PAUSES, timedelta())
    assert len(partner.requests) == len(PAUSES) + 1
    assert {one.headers["webhook-id"] for one in partner.requests} == {call.id}
    assert len({one.headers["webhook-timestamp"] for one in partner.requests}) > 1


async def test_redirects_are_not_followed(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    async with (
        Answering(200) as inside,
        Answering(307, headers={"Location": inside.url}) as partner,
    ):
        webhook_id, _ = await hook(sessions, brand, partner.url, clock)
        await tell(sessions, brand, clock)
        await calling.call_due()

    (call,) = await calls_of(sessions, brand, webhook_id, "waiting")
    assert call.answer == "307"
    assert len(partner.requests) == 1
    assert inside.requests == []


async def test_who_is_gone_hears_nothing_more(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    async with Answering(410) as partner:
        webhook_id, _ = await hook(sessions, brand, partner.url, clock)
        await tell(sessions, brand, clock)
        await calling.call_due()
        assert await tell(sessions, brand, clock) == 0

    async with sessions() as tx:
        (ended,) = await list_webhooks(tx, brand.id)
    assert ended.ended_at == clock.now()
    assert [one.answer for one in await calls_of(sessions, brand, webhook_id, "given_up")] == [
        "410"
    ]


async def test_an_ended_webhook_is_not_called_with_what_still_waits(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    async with Answering() as partner:
        webhook_id, _ = await hook(sessions, brand, partner.url, clock)
        await tell(sessions, brand, clock)
        async with sessions() as tx, tx.begin():
            await end_webhook(tx, brand.id, webhook_id, now=clock.now())
        await calling.call_due()

    assert partner.requests == []
    assert [one.answer for one in await calls_of(sessions, brand, webhook_id)] == ["ended"]


async def test_only_the_brand_s_own_addresses_hear(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    async with sessions() as tx, tx.begin():
        other = await a_brand(tx, "other-bank")
    async with Answering() as ours, Answering() as theirs:
        await hook(sessions, brand, ours.url, clock)
        await hook(sessions, other, theirs.url, clock)
        assert await tell(sessions, brand, clock) == 1
        await calling.call_due()

    assert len(ours.requests) == 1
    assert theirs.requests == []


async def test_what_was_rolled_back_is_not_told(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    async with Answering() as partner:
        await hook(sessions, brand, partner.url, clock)
        async with sessions() as tx:
            await announce(tx, brand.id, KIND, BODY, clock.now())
            await tx.rollback()
        assert await calling.call_due() == 0


async def test_two_workers_make_each_call_once(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    async with Answering() as partner:
        await hook(sessions, brand, partner.url, clock)
        for _ in range(20):
            await tell(sessions, brand, clock)
        other = Calling(sessions, clock, private=True)
        while sum(await asyncio.gather(calling.call_due(), other.call_due())):
            pass

    assert len(partner.requests) == 20
    assert len({one.headers["webhook-id"] for one in partner.requests}) == 20


async def test_nobody_waits_behind_an_address_that_does_not_answer(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    hangs = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hangs.wait()
        writer.close()

    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    stop = asyncio.Event()
    async with Answering() as partner:
        await hook(sessions, brand, f"http://127.0.0.1:{port}/", clock)
        await hook(sessions, brand, partner.url, clock)
        running = asyncio.create_task(calling.run(stop))
        for count in (1, 2, 3):
            await tell(sessions, brand, clock)
            async with asyncio.timeout(5):
                await partner.until(count)
        stop.set()
        await running
    hangs.set()
    silent.close()
    await silent.wait_closed()


async def test_an_address_that_is_not_there_is_tried_again(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    async with Answering() as partner:
        url = partner.url
    webhook_id, _ = await hook(sessions, brand, url, clock)
    await tell(sessions, brand, clock)

    await calling.call_due()

    (call,) = await calls_of(sessions, brand, webhook_id, "waiting")
    assert call.answer == "no_connection"


async def test_private_addresses_are_not_called_unless_it_is_allowed(
    sessions: Sessions, brand: Brand, clock: SetClock
) -> None:
    async with Answering() as inside:
        webhook_id, _ = await hook(sessions, brand, inside.url, clock)
        await tell(sessions, brand, clock)
        await Calling(sessions, clock).call_due()

    (call,) = await calls_of(sessions, brand, webhook_id, "waiting")
    assert call.answer == "private_address"
    assert inside.requests == []


async def test_a_name_that_leads_inside_is_found_out_when_it_is_looked_up() -> None:
    async with Answering() as inside, open_internet(10.0, private=False, at_once=1) as client:
        with pytest.raises(ClientConnectorError) as refused:
            await client.post(inside.url.replace("127.0.0.1", "localhost"))

    assert isinstance(refused.value.__cause__, PrivateAddressError)
    assert inside.requests == []


async def test_a_lease_runs_out_when_a_worker_dies(
    sessions: Sessions, brand: Brand, clock: SetClock, calling: Calling
) -> None:
    async with Answering() as partner:
        webhook_id, _ = await hook(sessions, brand, partner.url, clock)
        await tell(sessions, brand, clock)
        await calling._claim(1)  # and then nothing more is heard of it
        assert await calling.call_due() == 0

        clock.pass_by(timedelta(minutes=1))
        assert await calling.call_due() == 1

    (call,) = await calls_of(sessions, brand, webhook_id, "taken")
    assert call.tries == 2
