"""The worker as a process: it serves, survives being killed, and leaves when it is told to."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

import worker
from rules.decide import Decider
from rules.holder import RulebookHolder
from tellal.clock import SystemClock
from tellal.domain.cases import CaseCommand, VerifiedAs
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.messages import MessageState, Receipt
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.cases import CaseInput
from tellal.services.house import House, furnish
from tellal.services.outage_sayings import Review
from tellal.services.receipts import Receipts
from tellal.services.webhooks import add_webhook, announce
from tellal.settings import Settings
from tellal.stack.temporal import Temporal
from tellal.stories.populace import daylight
from templates.environment import JinjaRenderer
from tests.support.answering import Answering
from tests.support.builders import a_brand, a_customer
from tests.support.carrier import CarrierProbe, free_port
from tests.support.house import ROUTES
from tests.support.outages import confirmed, resolved, seen
from tests.support.public import an_outage
from tests.support.waiting import until

MOBILE = "+905320000101"
CROWD = 300
COMMAND = [sys.executable, "-c", "import worker; worker.main()"]
_PATIENCE_S = 40.0

Launch = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
async def lanes_free(temporal: Client) -> AsyncIterator[None]:
    """Lanes have one id for the whole server: those of another test would keep its queue."""
    await _end_lanes(temporal)
    yield
    await _end_lanes(temporal)


async def _end_lanes(temporal: Client) -> None:
    for name in ("critical", "journeys", "bulk"):
        handle = temporal.get_workflow_handle(f"lane/{name}/0")
        try:
            await handle.terminate()
        except RPCError:
            continue


@pytest.fixture
def launch(
    database_url: str,
    temporal_server: Temporal,
    task_queue: str,
    carrier: CarrierProbe,
    lanes_free: None,  # noqa: ARG001 - it must be so before a worker starts
) -> Iterator[Launch]:
    """Start workers as a deployment does, and end those that are left."""
    account = carrier.account
    environment = {
        "PATH": os.environ["PATH"],
        "TELLAL_DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TELLAL_TASK_QUEUE": task_queue,
        "TELLAL_TWILIO__ACCOUNT_SID": account.account_sid,
        "TELLAL_TWILIO__AUTH_TOKEN": account.auth_token,
        "TELLAL_TWILIO__BASE_URL": carrier.url,
        "TELLAL_LEASE_S": "2",
        "TELLAL_AGENT_CALLS": "true",
        "TELLAL_RECONCILE_AFTER_S": "1",
    }
    with workers(environment) as start:
        yield start


@contextmanager
def workers(environment: dict[str, str]) -> Iterator[Launch]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(COMMAND, env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)


@pytest.fixture
def office(sessions: Sessions) -> House:
    """The services as the API has them."""
    return furnish(
        sessions=sessions,
        books=RulebookHolder(None),
        decider=Decider(None),
        renderer=JinjaRenderer(),
        clock=SystemClock(),
        routes=ROUTES,
    )


async def command(house: House, brand: Brand, number: str, what: CaseCommand) -> None:
    body = CaseInput(
        team="metering",
        answer="replaced",
        result="replaced",
        verified_as=VerifiedAs.APPLICANT,
    )
    async with house.sessions() as tx, tx.begin():
        await house.cases.command(
            tx, brand_id=brand.id, number=number, command=what, body=body, by="officer"
        )


async def deliver(house: House, carrier: CarrierProbe, texts: int) -> None:
    """Wait until so many texts have been taken in, and report all of them as delivered."""
    receipts = Receipts(house.clock, house.progress)

    async def they_are_recorded() -> bool:
        messages = table(MessageRow).c
        async with house.sessions() as tx:
            query = select(messages.id).where(messages.reference != "")
            return len((await tx.execute(query)).all()) == texts

    await until(they_are_recorded, timeout_s=_PATIENCE_S)
    delivered = [
        Receipt(
            provider="twilio",
            reference=entry["reference"],
            message_id=entry["message_id"],
            state=MessageState.DELIVERED,
            code="",
            remedy=None,
            received_at=house.clock.now(),
        )
        for entry in carrier.book(limit=10 * texts)
    ]
    async with house.sessions() as tx, tx.begin():
        assert await receipts.take(tx, delivered) == []


@pytest.mark.req("E01")
async def test_a_case_outlives_the_worker_and_tells_each_thing_once(
    office: House, launch: Launch, carrier: CarrierProbe, temporal: Client
) -> None:
    async with office.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        await a_customer(tx, brand, "halil", contacts={Channel.SMS: MOBILE})
        case = await office.cases.open(
            tx, brand=brand, customer_ref="halil", channel="web", subject="meter", by="officer"
        )
    first = launch()
    await deliver(office, carrier, 1)
    await command(office, brand, case.number, CaseCommand.ROUTE)

    first.kill()
    first.wait(10)
    for what in (CaseCommand.ANSWER, CaseCommand.CALL, CaseCommand.RESOLVE):
        await command(office, brand, case.number, what)
    second = launch()
    await deliver(office, carrier, 2)

    async def it_has_ended() -> bool:
        run = await temporal.get_workflow_handle(f"case/{case.id}").describe()
        return run.status is WorkflowExecutionStatus.COMPLETED

    await until(it_has_ended, timeout_s=_PATIENCE_S)
    second.send_signal(signal.SIGTERM)
    texts = [entry["text"] for entry in carrier.book(to=MOBILE)]
    assert second.wait(30) == 0
    assert len(texts) == len(set(texts)) == 2
    assert all(case.number in text for text in texts)
    assert carrier.requests() == 2


@pytest.mark.req("B11", "allows")
async def test_an_outage_outlives_the_worker_and_tells_nobody_twice(
    office: House, launch: Launch, carrier: CarrierProbe, temporal: Client
) -> None:
    async with office.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        for n in range(CROWD):
            await a_customer(
                tx,
                brand,
                f"customer-{n}",
                contacts={Channel.SMS: f"+9053500{n:05d}"},
                facts={"customer.district": "tepebasi"},
                timezone=daylight(office.clock.now()),
            )
    outage = await confirmed(office, brand)

    async def the_first_are_told() -> bool:
        return carrier.taken() >= CROWD // 10

    first = launch()
    await until(the_first_are_told, timeout_s=_PATIENCE_S)
    first.kill()
    first.wait(10)
    told_by_the_first = carrier.taken()
    launch()
    await deliver(office, carrier, CROWD)
    await resolved(office, brand, outage)
    async with office.sessions() as tx, tx.begin():
        said = Review(what_happened="A transformer", what_was_late="", what_changes="Another")
        await office.outages.review(tx, brand=brand, outage_id=outage.id, said=said)

    await deliver(office, carrier, 2 * CROWD)

    async def it_has_ended() -> bool:
        run = await temporal.get_workflow_handle(f"outage/{outage.id}").describe()
        return run.status is WorkflowExecutionStatus.COMPLETED

    await until(it_has_ended, timeout_s=_PATIENCE_S)
    counts = (await seen(office, brand, outage)).counts
    assert told_by_the_first < CROWD
    assert (counts["audience"], counts["told"], counts["open"]) == (CROWD, CROWD, 0)
    texts = [(entry["to"], entry["text"]) for entry in carrier.book(limit=10 * CROWD)]
    assert len(texts) == len(set(texts)) == 2 * CROWD
    assert len({number for number, _ in texts}) == CROWD


async def test_a_worker_that_waits_for_temporal_can_be_told_to_leave(database_url: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "TELLAL_DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
    }
    with subprocess.Popen(  # noqa: ASYNC220 - starting it takes a moment only
        COMMAND, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = [
            await asyncio.wait_for(asyncio.to_thread(process.stderr.readline), _PATIENCE_S)
            for _ in range(2)
        ]
        process.send_signal(signal.SIGTERM)

        assert said == ["no provider is set up, so nothing can be sent\n", "not ready yet\n"]
        assert process.wait(30) == 0


@pytest.mark.req("B05", "allows")
async def test_the_public_is_told_while_temporal_is_away(
    database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
    stop = asyncio.Event()
    settings = Settings.model_validate(
        {
            "database_url": database_url,
            "TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
            "status_folder": tmp_path,
            "webhooks_private": True,
        }
    )
    page = tmp_path / brand.name / "status.html"
    async with Answering() as partner:
        working = asyncio.create_task(worker.serve(settings, stop))
        async with sessions() as tx, tx.begin():
            outage_id = await an_outage(tx, brand, "confirmed")
            now = SystemClock().now()
            await add_webhook(
                tx, brand.id, url=partner.url, means="", made_by="crm", now=now, private=True
            )
            await announce(tx, brand.id, "outage.confirmed", {"id": outage_id}, now)

        async def it_is_public() -> bool:
            return page.is_file() and outage_id in page.read_text("utf-8")

        await until(it_is_public)
        await partner.until(1)
        stop.set()
        await working
