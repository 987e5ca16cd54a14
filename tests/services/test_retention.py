"""What has done its work is forgotten, and nothing else, on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update

from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.brands import IdempotencyRow
from tellal.persistence.tables.ledger import OutboxRow
from tellal.persistence.tables.refusing import InboundEffectRow, InboundRow
from tellal.services.idempotency import Answer, Request, claim, complete
from tellal.services.outbox import enqueue
from tellal.services.retention import Retention
from tellal.settings import KeepSettings
from tests.support.builders import a_brand, a_customer
from tests.support.ledger import SetClock
from tests.support.waiting import until

_outbox = table(OutboxRow)
_answers = table(IdempotencyRow)

KEEP = KeepSettings(idempotency_days=30, outbox_days=7)
MOMENT = timedelta(minutes=1)


def forgetting(sessions: Sessions, *, after: timedelta, batch: int = 1_000) -> Retention:
    """Return a retention some time from now: ids are made by the machine's own clock."""
    return Retention(sessions, SetClock(datetime.now(UTC) + after), KEEP, batch=batch)


async def told(sessions: Sessions, *workflows: str, done: bool = True) -> None:
    """Put items into the outbox, and mark them as done now."""
    now = datetime.now(UTC)
    async with sessions() as tx, tx.begin():
        for workflow_id in workflows:
            await enqueue(
                tx,
                brand_id="brand",
                kind=OutboxKind.PROGRESSED,
                workflow_id=workflow_id,
                body={},
                now=now,
            )
        if done:
            mine = _outbox.c.workflow_id.in_(workflows)
            await tx.execute(update(_outbox).where(mine).values(done_at=now))


async def answered(sessions: Sessions, *keys: str) -> None:
    for key in keys:
        async with sessions() as tx, tx.begin():
            request = Request(caller="brand/crm", route="POST /v1/events", key=key, digest="abc")
            row_id = await claim(tx, request, now=datetime.now(UTC))
            assert isinstance(row_id, str)
            await complete(tx, row_id, Answer(status=200, body="{}"))


async def in_outbox(sessions: Sessions) -> set[str]:
    async with sessions() as tx:
        return set((await tx.execute(select(_outbox.c.workflow_id))).scalars())


async def keys(sessions: Sessions) -> set[str]:
    async with sessions() as tx:
        return set((await tx.execute(select(_answers.c.key))).scalars())


async def test_what_was_told_a_week_ago_is_forgotten_and_what_was_not_told_stays(
    sessions: Sessions,
) -> None:
    await told(sessions, "told")
    await told(sessions, "waits", done=False)

    early = await forgetting(sessions, after=timedelta(days=7) - MOMENT).forget_delivered()
    late = await forgetting(sessions, after=timedelta(days=7) + MOMENT).forget_delivered()

    assert (early, late) == (0, 1)
    assert await in_outbox(sessions) == {"waits"}


async def test_what_waited_long_is_kept_for_a_week_after_it_was_told(sessions: Sessions) -> None:
    await told(sessions, "told-late")
    async with sessions() as tx, tx.begin():
        later = datetime.now(UTC) + timedelta(days=5)
        await tx.execute(update(_outbox).values(done_at=later))

    early = await forgetting(sessions, after=timedelta(days=8)).forget_delivered()
    late = await forgetting(sessions, after=timedelta(days=12) + MOMENT).forget_delivered()

    assert (early, late) == (0, 1)


async def test_answers_are_forgotten_after_a_month(sessions: Sessions) -> None:
    await answered(sessions, "one")

    early = await forgetting(sessions, after=timedelta(days=30) - MOMENT).forget_answers()
    late = await forgetting(sessions, after=timedelta(days=30) + MOMENT).forget_answers()

    assert (early, late) == (0, 1)
    assert await keys(sessions) == set()


async def test_what_another_worker_forgets_is_not_waited_for(sessions: Sessions) -> None:
    await told(sessions, "one", "two")
    await answered(sessions, "one", "two")
    retention = forgetting(sessions, after=timedelta(days=40))

    async with sessions() as other, other.begin():
        await other.execute(text("SELECT id FROM outbox WHERE workflow_id = 'one' FOR UPDATE"))
        await other.execute(text("SELECT id FROM idempotency_keys WHERE key = 'one' FOR UPDATE"))
        gone = await asyncio.wait_for(retention.forget_delivered(), 5)
        gone += await asyncio.wait_for(retention.forget_answers(), 5)

    assert gone == 2
    assert await in_outbox(sessions) == {"one"}
    assert await keys(sessions) == {"one"}


async def test_the_loop_goes_on_batch_by_batch_until_nothing_old_is_left(
    sessions: Sessions,
) -> None:
    await told(sessions, *(f"told-{n}" for n in range(5)))
    await answered(sessions, *(f"key-{n}" for n in range(5)))
    stop = asyncio.Event()
    retention = forgetting(sessions, after=timedelta(days=40), batch=2)

    running = asyncio.create_task(retention.run(stop))

    async def forgotten() -> bool:
        return not await in_outbox(sessions) and not await keys(sessions)

    await until(forgotten)
    stop.set()
    await asyncio.wait_for(running, 5)


async def wrote(sessions: Sessions, word: str, customer_id: str | None = None) -> None:
    """Put a word into the inbox, of a stranger or of a customer."""
    now = datetime.now(UTC)
    async with sessions() as tx, tx.begin():
        inbound_id = new_id()
        came = InboundRow(
            id=inbound_id,
            provider="twilio",
            reference=word,
            channel="sms",
            sender="+905321234567",
            recipient="4605",
            text=word,
            does="stop",
            received_at=now,
        )
        await tx.execute(insert(table(InboundRow)).values(came.model_dump()))
        if customer_id:
            brand_id = await tx.scalar(text("SELECT brand_id FROM customers"))
            did = InboundEffectRow(
                id=new_id(),
                inbound_id=inbound_id,
                brand_id=brand_id,
                customer_id=customer_id,
                did="refused",
                received_at=now,
            )
            await tx.execute(insert(table(InboundEffectRow)).values(did.model_dump()))


async def test_a_strangers_word_is_forgotten_after_a_month_and_a_customers_stays(
    sessions: Sessions,
) -> None:
    async with sessions() as tx, tx.begin():
        customer_id = await a_customer(tx, await a_brand(tx))
    await wrote(sessions, "RET")
    await wrote(sessions, "DUR", customer_id)

    early = await forgetting(sessions, after=timedelta(days=30) - MOMENT).forget_strangers()
    late = await forgetting(sessions, after=timedelta(days=30) + MOMENT).forget_strangers()

    async with sessions() as tx:
        left = (await tx.execute(text("SELECT text FROM inbound"))).scalars().all()
    assert (early, late, left) == (0, 1, ["DUR"])


@pytest.mark.parametrize("name", ["idempotency_days", "outbox_days", "strangers_days"])
def test_nothing_is_forgotten_on_its_first_day(name: str) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        KeepSettings.model_validate({name: 0})
