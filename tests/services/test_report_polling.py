"""Texts over NetGSM are delivered by the reports that one worker asks for, within its limits."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update

from activities.providers.netgsm.reports import NetgsmReports
from activities.providers.netgsm.sms import NetgsmSms
from activities.providers.twilio.sms import TwilioSms
from rules.routing import load_routes
from tellal.clock import Clock, SystemClock
from tellal.domain.channels import Channel, Lane
from tellal.domain.handover import Answered
from tellal.domain.messages import Answer, HandOver, MessageState, OutgoingMessage, Receipt, Remedy
from tellal.domain.routes import RouteTable
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import ReceiptInboxRow
from tellal.persistence.tables.ledger import MessageRow, ReceiptRow
from tellal.ports import Sender
from tellal.services.handover import HandOvers
from tellal.services.leases import Leases
from tellal.services.progress import Progress
from tellal.services.receipt_inbox import InboxWork, ReceiptInbox
from tellal.services.receipts import Receipts
from tellal.services.report_polling import OUTSTANDING, ReportPolling, Reports
from tests.support.builders import a_brand, a_customer
from tests.support.carrier import CarrierProbe
from tests.support.desk import TURKISH, a_desk
from tests.support.ledger import NOON, SetClock, a_message, message, messages_of_a_brand, states
from tests.support.waiting import until

_messages = table(MessageRow)
CROWD = 40
UNANSWERED = HandOver(
    answer=Answer.AMBIGUOUS, provider="netgsm", code="timeout", remedy=Remedy.RECONCILE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A ledger with the real senders, and what a worker does about reports."""

    sessions: Sessions
    carrier: CarrierProbe
    desk: HandOvers
    senders: dict[str, Sender]
    reports: NetgsmReports
    work: InboxWork

    async def hand_over(self, numbers: Sequence[str]) -> list[OutgoingMessage]:
        """Hand texts to these numbers over, each on the way that the table gives it."""
        now = datetime.now(UTC)
        async with self.sessions() as tx, tx.begin():
            brand = await a_brand(tx)
            for n, number in enumerate(numbers):
                who = await a_customer(tx, brand, f"c{n}", contacts={Channel.SMS: number})
                hour = now + timedelta(hours=1)
                await a_message(tx, brand, customer_id=who, not_before=now, expires_at=hour)
        claimed: list[OutgoingMessage] = []

        async def all_are_claimed() -> bool:
            # At first there are no tokens for a route with a rate.
            claimed.extend(await self.desk.claim(Lane.JOURNEYS, len(numbers)))
            return len(claimed) == len(numbers)

        await until(all_are_claimed)
        answers = [
            Answered(message=one, answer=await self.senders[one.provider].send(one))
            for one in claimed
        ]
        await self.desk.record(answers)
        return claimed

    async def everything_arrived(self) -> None:
        async def nothing_pends() -> bool:
            return await asyncio.to_thread(self.carrier.nothing_pends)

        await until(nothing_pends)

    def polling(self) -> ReportPolling:
        return a_polling(self.sessions, self.reports, SystemClock())


def a_polling(sessions: Sessions, reports: Reports, clock: Clock) -> ReportPolling:
    return ReportPolling(
        "netgsm",
        reports,
        sessions=sessions,
        clock=clock,
        inbox=ReceiptInbox(sessions),
        leases=Leases(sessions, clock),
    )


@pytest.fixture
async def office(sessions: Sessions, carrier: CarrierProbe) -> AsyncIterator[Office]:
    clock = SystemClock()
    async with AsyncExitStack() as held:
        senders: dict[str, Sender] = {
            "netgsm": NetgsmSms(carrier.netgsm()),
            "twilio": TwilioSms(carrier.twilio(), status_callback_url="http://127.0.0.1:9/"),
        }
        for sender in senders.values():
            held.push_async_callback(sender.close)
        reports = NetgsmReports(carrier.netgsm())
        held.push_async_callback(reports.close)
        yield Office(
            sessions=sessions,
            carrier=carrier,
            desk=a_desk(sessions, clock, routes=load_routes().with_providers(senders)),
            senders=senders,
            reports=reports,
            work=InboxWork(sessions, clock, Receipts(clock, Progress(clock))),
        )


async def test_texts_to_turkey_go_over_netgsm_and_its_reports_deliver_them(office: Office) -> None:
    handed = await office.hand_over([f"+9053200{n:05}" for n in range(CROWD)])
    await office.everything_arrived()

    found = await office.polling().poll()
    await office.work.work()

    ways = Counter(one.provider for one in handed)
    stand = await states(office.sessions)
    assert ways["netgsm"] > ways["twilio"] > 0, "300 to 100 by weight"
    assert found == ways["netgsm"]
    assert {stand[one.id] for one in handed if one.provider == "netgsm"} == {"delivered"}
    assert {stand[one.id] for one in handed if one.provider == "twilio"} == {"accepted"}


async def test_a_text_whose_acceptance_was_lost_is_found_and_delivered(
    office: Office, carrier: CarrierProbe
) -> None:
    carrier.fault("reset_after_accept", times=10)
    handed = await office.hand_over([f"+9053200001{n:02}" for n in range(9)])
    lost = [one for one in handed if one.provider == "netgsm"]
    before = await states(office.sessions)
    await office.everything_arrived()

    await office.polling().poll()
    await office.work.work()

    after = await states(office.sessions)
    assert lost
    assert {before[one.id] for one in lost} == {"unknown"}
    assert {after[one.id] for one in lost} == {"delivered"}


# ---------------------------------------------------------------- what is asked, and when


class Oracle:
    """Answers every question with what the test gave it, and keeps the questions."""

    def __init__(self, *says: Receipt) -> None:
        self.says = list(says)
        self.questions: list[tuple[datetime, tuple[str, ...]]] = []

    async def poll(self, since: datetime, references: Sequence[str] = ()) -> list[Receipt]:
        self.questions.append((since, tuple(references)))
        return list(self.says)


def a_receipt(
    state: MessageState, *, message_id: str = "", reference: str = "job", code: str = "1"
) -> Receipt:
    return Receipt(
        provider="netgsm",
        reference=reference,
        message_id=message_id,
        state=state,
        code=code,
        remedy=None,
        received_at=NOON,
    )


async def taken(
    sessions: Sessions, count: int, *, handed_at: datetime = NOON, provider: str = "netgsm"
) -> list[str]:
    """Write messages that a provider has taken, each a second after the one before; newest last."""
    ids = await messages_of_a_brand(sessions, count)
    async with sessions() as tx, tx.begin():
        for n, message_id in enumerate(ids):
            change = update(_messages).where(_messages.c.id == message_id)
            values = {
                "state": "accepted",
                "provider": provider,
                "reference": f"job-{n}",
                "handed_at": handed_at + timedelta(seconds=n),
            }
            await tx.execute(change.values(**values))
    return ids


async def rows_of(sessions: Sessions, row: type[ReceiptInboxRow] | type[ReceiptRow]) -> int:
    async with sessions() as tx:
        return int((await tx.execute(select(func.count()).select_from(table(row)))).scalar_one())


async def test_nothing_is_asked_while_nothing_is_outstanding(sessions: Sessions) -> None:
    await taken(sessions, 3, provider="twilio")
    oracle = Oracle()
    polling = a_polling(sessions, oracle, SetClock())

    for _ in range(12):
        await polling.poll()

    assert oracle.questions == []


async def test_many_are_asked_for_in_turns_the_newest_first(sessions: Sessions) -> None:
    await taken(sessions, 120)
    oracle = Oracle()
    polling = a_polling(sessions, oracle, SetClock(NOON + timedelta(minutes=2)))

    for _ in range(4):
        await polling.poll()

    asked = [references for _, references in oracle.questions]
    newest_first = tuple(f"job-{n}" for n in reversed(range(120)))
    assert asked == [newest_first[:50], newest_first[50:100], newest_first[100:], newest_first[:50]]
    assert oracle.questions[2][0] == NOON - timedelta(minutes=5)


async def test_what_is_too_old_is_given_up(sessions: Sessions) -> None:
    await taken(sessions, 1, handed_at=NOON - timedelta(days=2))
    oracle = Oracle()

    await a_polling(sessions, oracle, SetClock()).poll()

    assert oracle.questions == []


async def test_the_lost_are_searched_for_every_sixth_time(sessions: Sessions) -> None:
    [message_id] = await messages_of_a_brand(sessions, 1)
    clock = SetClock()
    desk = a_desk(sessions, clock, routes=RouteTable(routes=(TURKISH,)))
    [claimed] = await desk.claim(Lane.JOURNEYS, 1)
    await desk.record([Answered(message=claimed, answer=UNANSWERED)])
    oracle = Oracle()
    polling = a_polling(sessions, oracle, clock)

    for _ in range(13):
        await polling.poll()

    assert (await message(sessions, message_id)).state == "unknown"
    assert oracle.questions == [(NOON - timedelta(minutes=5), ())] * 3


async def test_one_worker_asks_and_another_goes_on_when_it_falls_silent(
    sessions: Sessions,
) -> None:
    await taken(sessions, 1)
    clock = SetClock(NOON + timedelta(minutes=1))
    first, second = Oracle(), Oracle()
    one, other = a_polling(sessions, first, clock), a_polling(sessions, second, clock)

    for _ in range(5):
        await one.poll()
        await other.poll()
        clock.advance(seconds=10)
    while_one_asks = (len(first.questions), len(second.questions))
    clock.advance(seconds=50)
    await other.poll()
    await one.poll()

    assert while_one_asks == (5, 0)
    assert (len(first.questions), len(second.questions)) == (5, 1)


async def test_what_the_ledger_has_is_not_put_again(sessions: Sessions) -> None:
    [told, waiting] = await taken(sessions, 2)
    clock = SetClock()
    oracle = Oracle(
        a_receipt(MessageState.DELIVERED, message_id=told, reference="job-0"),
        a_receipt(MessageState.ACCEPTED, message_id=waiting, reference="job-1", code="0"),
    )
    polling = a_polling(sessions, oracle, clock)
    work = InboxWork(sessions, clock, Receipts(clock, Progress(clock)))

    first = await polling.poll()
    await work.work()
    again = await polling.poll()

    assert (first, again) == (1, 0)
    assert await states(sessions) == {told: "delivered", waiting: "accepted"}
    assert await rows_of(sessions, ReceiptRow) == 1
    assert await rows_of(sessions, ReceiptInboxRow) == 0


async def test_jobs_of_others_with_the_same_account_are_none_of_ours(sessions: Sessions) -> None:
    await taken(sessions, 1)
    oracle = Oracle(
        a_receipt(MessageState.DELIVERED, reference="theirs"),
        a_receipt(MessageState.DELIVERED, reference="theirs", message_id="of another ledger"),
        a_receipt(MessageState.DELIVERED, reference="job-0"),
    )

    assert await a_polling(sessions, oracle, SetClock()).poll() == 1
    assert await rows_of(sessions, ReceiptInboxRow) == 1


async def test_no_transaction_is_open_while_the_provider_is_asked(sessions: Sessions) -> None:
    await taken(sessions, 1)
    seen: list[int] = []

    class Watching(Oracle):
        async def poll(self, since: datetime, references: Sequence[str] = ()) -> list[Receipt]:
            query = text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND state LIKE 'idle in transaction%'"
            )
            async with sessions() as tx:
                seen.append(int((await tx.execute(query)).scalar_one()))
            return await super().poll(since, references)

    await a_polling(sessions, Watching(), SetClock()).poll()

    assert seen == [0]


async def test_the_outstanding_are_found_by_their_index(sessions: Sessions) -> None:
    await taken(sessions, 3)
    asked = OUTSTANDING.params(provider="netgsm", since=NOON - timedelta(days=2))
    async with sessions() as tx:
        dialect = tx.get_bind().dialect
        written = asked.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join((await tx.execute(text(f"EXPLAIN {written}"))).scalars())

    assert "messages_outstanding" in plan
    assert "Sort" not in plan
