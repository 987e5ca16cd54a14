"""What a provider took shortly before a round was stopped is called back, once."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, insert, select, update

from activities.assembly import recalling_of
from activities.providers.netgsm.sms import NetgsmSms
from activities.providers.simulated import Pace, Simulated
from activities.providers.smtp.email import SmtpEmail
from activities.providers.twilio.sms import TwilioSms
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.messages import MessageState, Receipt
from tellal.domain.outages import NoticeKind
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import AttemptRow, CapUseRow, CauseRow, MessageRow, OutcomeRow
from tellal.persistence.tables.outages import OutageNoticeRow, OutageRow
from tellal.ports import Recalling, Sender
from tellal.services import outage_rounds
from tellal.services.house import House
from tellal.services.leases import Leases
from tellal.services.recalls import Recalls
from tellal.settings import NetgsmSettings
from tests.providers.test_netgsm_sms import a_job_for_later, a_text
from tests.providers.test_simulated import a_mail
from tests.support.answering import Answering
from tests.support.builders import a_brand, a_customer
from tests.support.carrier import CarrierProbe, MailboxProbe
from tests.support.house import SetClock
from tests.support.ledger import a_cause, a_message, attempts, message

_causes, _outages, _notices = table(CauseRow), table(OutageRow), table(OutageNoticeRow)
_messages, _outcomes, _attempts = table(MessageRow), table(OutcomeRow), table(AttemptRow)
_caps = table(CapUseRow)

TO = "+905321112233"
IMPATIENT_S = 1.0
ACCEPTED = MessageState.ACCEPTED


class Keeper:
    """A provider that gives back what the test says, and keeps what it is asked for."""

    def __init__(self, *gives: str, breaks_at: str = "") -> None:
        self.gives = set(gives)
        self.asked: list[str] = []
        self._breaks_at = breaks_at

    async def recall(self, reference: str) -> bool:
        self.asked.append(reference)
        if reference == self._breaks_at:
            raise ConnectionError
        return reference in self.gives


@dataclass(kw_only=True)
class Desk:
    """An outage with its rounds and what was handed over of them."""

    house: House
    clock: SetClock
    brand: Brand
    outage: str
    rounds: list[str] = field(default_factory=list)

    @property
    def sessions(self) -> Sessions:
        return self.house.sessions

    async def begin(self, kind: NoticeKind = NoticeKind.NOTICE) -> str:
        """Begin a round; return its cause."""
        async with self.sessions() as tx, tx.begin():
            outage = select(_outages).where(_outages.c.id == self.outage)
            notice = await outage_rounds.begin(
                tx,
                (await tx.execute(outage)).one(),
                kind=kind,
                topic="phishing",
                variables={},
                facts={},
                parts=(),
                expires_at=None,
                now=self.clock.now(),
            )
            cause = select(_notices.c.cause_id).where(_notices.c.id == notice)
            return str((await tx.execute(cause)).scalar_one())

    async def stop(self) -> None:
        """Stop the rounds, as the end of an outage does."""
        async with self.sessions() as tx, tx.begin():
            await outage_rounds.stop(tx, self.outage, code="resolved", now=self.clock.now())

    async def handed(
        self,
        cause: str,
        reference: str,
        *,
        provider: str = "netgsm",
        ago: timedelta = timedelta(seconds=30),
        state: MessageState = ACCEPTED,
        customer: str | None = None,
        channel: Channel = Channel.SMS,
        **values: object,
    ) -> str:
        """Write a message of a cause that a provider took some time ago."""
        at = self.clock.now() - ago
        async with self.sessions() as tx, tx.begin():
            one = await a_message(
                tx, self.brand, cause_id=cause, state=state, customer_id=customer, channel=channel
            )
            known = {
                "provider": provider,
                "reference": reference,
                "receipts": "delivery",
                "attempt": 1,
                "handed_at": at,
                "silent_until": at + timedelta(minutes=10),
            }
            await tx.execute(
                update(_messages).where(_messages.c.id == one).values(**known | values)
            )
            await tx.execute(
                insert(_attempts).values(
                    id=new_id(), message_id=one, n=1, provider=provider, intended_at=at
                )
            )
        return one

    async def waiting(self, cause: str, customer: str, channel: Channel = Channel.SMS) -> str:
        """Write a message of a cause that has not left."""
        async with self.sessions() as tx, tx.begin():
            return await a_message(
                tx, self.brand, cause_id=cause, customer_id=customer, channel=channel
            )

    async def customer(self) -> str:
        async with self.sessions() as tx, tx.begin():
            return await a_customer(tx, self.brand, new_id())

    def recalls(self, **providers: Recalling) -> Recalls:
        return Recalls(
            providers,
            sessions=self.sessions,
            clock=self.clock,
            progress=self.house.progress,
            leases=Leases(self.sessions, self.clock),
        )

    async def stand(self, message_id: str) -> tuple[str, str]:
        row = await message(self.sessions, message_id)
        return row.state, row.code

    async def outcome(self, message_id: str) -> Row[Any]:
        of = await message(self.sessions, message_id)
        async with self.sessions() as tx:
            query = select(_outcomes).where(_outcomes.c.id == of.outcome_id)
            return (await tx.execute(query)).one()

    async def set_outcome(self, message_id: str, **values: object) -> None:
        of = await message(self.sessions, message_id)
        async with self.sessions() as tx, tx.begin():
            mine = update(_outcomes).where(_outcomes.c.id == of.outcome_id)
            await tx.execute(mine.values(**values))

    async def was_tried(self, message_id: str) -> bool:
        [attempt] = await attempts(self.sessions, message_id)
        return attempt.recall_at is not None


@pytest.fixture
async def desk(house: House, clock: SetClock) -> Desk:
    outage = new_id()
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        await tx.execute(
            insert(_outages).values(
                id=outage,
                brand_id=brand.id,
                title="Transformer",
                topic="phishing",
                segment={},
                variables={},
                state="confirmed",
                in_flight_at_stop=0,
                simulated=False,
                declared_at=clock.now(),
            )
        )
    return Desk(house=house, clock=clock, brand=brand, outage=outage)


@pytest.fixture
async def netgsm(carrier: CarrierProbe) -> AsyncIterator[NetgsmSms]:
    sender = NetgsmSms(carrier.netgsm(timeout_s=IMPATIENT_S))
    yield sender
    await sender.close()


# ---------------------------------------------------------------- over NetGSM


async def test_a_text_that_is_given_back_is_cancelled_with_all_that_hangs_on_it(
    desk: Desk, netgsm: NetgsmSms, carrier: CarrierProbe
) -> None:
    cause = await desk.begin()
    one = await desk.handed(cause, a_job_for_later(carrier))
    customer = (await message(desk.sessions, one)).customer_id
    async with desk.sessions() as tx, tx.begin():
        await tx.execute(
            insert(_caps).values(
                id=new_id(),
                customer_id=customer,
                cap="weekly",
                message_id=one,
                used_at=desk.clock.now(),
            )
        )
    await desk.stop()

    tried = await desk.recalls(netgsm=netgsm).call_back()

    outcome = await desk.outcome(one)
    async with desk.sessions() as tx:
        released = (await tx.execute(select(_caps.c.released_at))).scalar_one()
    assert tried == 1
    assert await desk.stand(one) == ("cancelled", "recalled")
    assert (outcome.state, outcome.reason, outcome.check_at) == ("cancelled", "recalled", None)
    assert outcome.closed_at == released == desk.clock.now()
    assert [entry["status"] for entry in carrier.book(to=TO)] == ["canceled"]


async def test_a_text_that_has_gone_stays_in_the_providers_hands(
    desk: Desk, netgsm: NetgsmSms, carrier: CarrierProbe
) -> None:
    sent = await netgsm.send(a_text())
    one = await desk.handed(await desk.begin(), sent.reference)
    await desk.stop()

    assert await desk.recalls(netgsm=netgsm).call_back() == 1

    assert await desk.stand(one) == ("accepted", "")
    assert (await desk.outcome(one)).state == "open"
    assert carrier.taken(to=TO) == 1


async def test_a_refusal_is_not_asked_for_again_by_anybody(desk: Desk) -> None:
    await desk.handed(await desk.begin(), "1234")
    await desk.stop()

    async with Answering(406, {"code": "60"}) as server:
        sender = NetgsmSms(NetgsmSettings(usercode="u", base_url=server.url))
        recalls = desk.recalls(netgsm=sender)
        tried = [await recalls.call_back() for _ in range(3)]
        desk.clock.pass_by(timedelta(minutes=2))
        tried.append(await desk.recalls(netgsm=sender).call_back())
        await sender.close()

    assert tried == [1, 0, 0, 0]
    assert len(server.requests) == 1


async def test_no_answer_in_time_leaves_it_as_it_is_and_is_not_tried_again(
    desk: Desk, netgsm: NetgsmSms, carrier: CarrierProbe
) -> None:
    one = await desk.handed(await desk.begin(), a_job_for_later(carrier))
    carrier.fault("hang_after_accept", {"to": TO})
    await desk.stop()
    recalls = desk.recalls(netgsm=netgsm)

    tried = [await recalls.call_back() for _ in range(2)]

    [fault] = carrier.http.get("/_carrier/faults").raise_for_status().json()
    assert tried == [1, 0]
    assert fault["fired"] == 1
    assert await desk.stand(one) == ("accepted", "")
    assert await desk.was_tried(one)


# ---------------------------------------------------------------- what is tried


async def test_only_what_a_stopped_round_handed_over_lately_is_tried(desk: Desk) -> None:
    old = await desk.begin()
    long_ago = await desk.handed(old, "long ago", ago=timedelta(hours=1))
    await desk.stop()
    desk.clock.pass_by(timedelta(minutes=20))
    stopped = await desk.begin()
    left = {
        "long before the stop": await desk.handed(stopped, "a", ago=timedelta(minutes=6)),
        "passed on": await desk.handed(stopped, "b", state=MessageState.SENT),
        "told by being taken": await desk.handed(stopped, "c", receipts="none"),
        "of a provider that gives nothing back": await desk.handed(stopped, "d", provider="fake"),
        "without a reference": await desk.handed(stopped, ""),
        "of a round stopped long ago": await desk.handed(old, "e", ago=timedelta(minutes=21)),
    }
    tried = await desk.handed(stopped, "tried")
    await desk.stop()
    async with desk.sessions() as tx, tx.begin():
        event = await a_cause(tx, desk.brand, state="stopped")
    left["of an event"] = await desk.handed(event, "f")
    left["of a round that runs"] = await desk.handed(await desk.begin(), "g")
    keeper = Keeper()

    await desk.recalls(netgsm=keeper).call_back()

    assert keeper.asked == ["tried"]
    assert await desk.was_tried(tried)
    assert [why for why, one in left.items() if await desk.was_tried(one)] == []
    assert not await desk.was_tried(long_ago)


async def test_what_was_being_handed_over_at_the_stop_is_tried_when_it_is_taken(desk: Desk) -> None:
    cause = await desk.begin()
    await desk.stop()
    desk.clock.pass_by(timedelta(seconds=3))
    await desk.handed(cause, "late", ago=timedelta(seconds=1))
    keeper = Keeper()

    await desk.recalls(netgsm=keeper).call_back()

    assert keeper.asked == ["late"]


async def test_the_newest_come_first_a_few_at_a_time(desk: Desk) -> None:
    cause = await desk.begin()
    for n in range(25):
        await desk.handed(cause, f"{n:02}", ago=timedelta(seconds=n))
    await desk.stop()
    keeper = Keeper(*(f"{n:02}" for n in range(25)))
    recalls = desk.recalls(netgsm=keeper)

    tried = [await recalls.call_back() for _ in range(4)]

    assert tried == [10, 10, 5, 0]
    turns = [sorted(keeper.asked[start : start + 10]) for start in (0, 10, 20)]
    assert [turn[0] for turn in turns] == ["00", "10", "20"]
    assert [one for turn in turns for one in turn] == [f"{n:02}" for n in range(25)]


async def test_where_the_newest_are_gone_the_older_ones_are_left_alone(desk: Desk) -> None:
    cause = await desk.begin()
    for n in range(35):
        await desk.handed(cause, f"{n:02}", ago=timedelta(seconds=n))
    await desk.stop()
    keeper = Keeper()
    recalls = desk.recalls(netgsm=keeper)

    tried = [await recalls.call_back() for _ in range(4)]
    other = await desk.begin()
    await desk.handed(other, "of another round")
    await desk.stop()

    assert tried == [10, 10, 0, 0]
    assert await recalls.call_back() == 1
    assert keeper.asked[-1] == "of another round"


async def test_one_worker_asks_and_another_goes_on_when_it_falls_silent(desk: Desk) -> None:
    cause = await desk.begin()
    for n in range(15):
        await desk.handed(cause, f"{n:02}")
    await desk.stop()
    one, other = Keeper(), Keeper()
    first, second = desk.recalls(netgsm=one), desk.recalls(netgsm=other)

    await first.call_back()
    await second.call_back()
    while_one_asks = (len(one.asked), len(other.asked))
    desk.clock.pass_by(timedelta(minutes=1))
    await second.call_back()

    assert while_one_asks == (10, 0)
    assert len(other.asked) == 5
    assert not set(one.asked) & set(other.asked)


async def test_a_mishap_with_one_does_not_lose_what_was_said_of_another(desk: Desk) -> None:
    cause = await desk.begin()
    broken, given = await desk.handed(cause, "x"), await desk.handed(cause, "y")
    await desk.stop()

    await desk.recalls(netgsm=Keeper("y", breaks_at="x")).call_back()

    assert await desk.stand(broken) == ("accepted", "")
    assert await desk.stand(given) == ("cancelled", "recalled")


# ---------------------------------------------------------------- how it ends


async def test_a_receipt_that_was_faster_counts(desk: Desk) -> None:
    one = await desk.handed(await desk.begin(), "x")
    await desk.stop()

    class Slow(Keeper):
        async def recall(self, reference: str) -> bool:
            async with desk.sessions() as tx, tx.begin():
                await tx.execute(update(_messages).values(state="sent"))
            return await super().recall(reference)

    await desk.recalls(netgsm=Slow("x")).call_back()

    assert await desk.stand(one) == ("sent", "")
    assert (await desk.outcome(one)).state == "open"


async def test_an_outcome_that_ended_because_nobody_knew_ends_as_cancelled(desk: Desk) -> None:
    one = await desk.handed(await desk.begin(), "x")
    await desk.stop()
    await desk.set_outcome(one, state="unknown", reason="stopped")

    await desk.recalls(netgsm=Keeper("x")).call_back()

    outcome = await desk.outcome(one)
    assert (outcome.state, outcome.reason) == ("cancelled", "recalled")


async def test_whoever_may_have_another_message_of_the_round_is_not_said_to_have_none(
    desk: Desk,
) -> None:
    cause = await desk.begin()
    mail = await desk.handed(
        cause, "mail", provider="fake", channel=Channel.EMAIL, ago=timedelta(minutes=4)
    )
    text = await desk.handed(cause, "x", customer=await desk.customer())
    async with desk.sessions() as tx, tx.begin():
        of_mail = (await tx.execute(select(_messages).where(_messages.c.id == mail))).one()
        await tx.execute(
            update(_messages)
            .where(_messages.c.id == text)
            .values(outcome_id=of_mail.outcome_id, customer_id=of_mail.customer_id, step=1)
        )
    await desk.stop()

    await desk.recalls(netgsm=Keeper("x")).call_back()

    outcome = await desk.outcome(text)
    assert await desk.stand(text) == ("cancelled", "recalled")
    assert (outcome.state, outcome.check_at) == ("open", desk.clock.now())
    await desk.house.journeys.advance(outcome.id)
    ended = await desk.outcome(text)
    assert (ended.state, ended.reason) == ("unknown", "stopped")


async def test_who_was_not_told_after_all_gets_no_all_clear(desk: Desk) -> None:
    first = await desk.begin()
    back, gone, twice, both = [await desk.customer() for _ in range(4)]
    await desk.handed(first, "back", customer=back)
    await desk.handed(first, "gone", customer=gone)
    await desk.handed(first, "twice", customer=twice)
    await desk.handed(first, "both", customer=both)
    second = await desk.begin(NoticeKind.UPDATE)
    told = await desk.handed(second, "", customer=twice, state=MessageState.DELIVERED)
    await desk.stop()
    over = await desk.begin(NoticeKind.ALL_CLEAR)
    ends = {who: await desk.waiting(over, who) for who in (back, gone, twice)}
    leaving = await desk.handed(over, "", customer=both, state=MessageState.HANDING_OVER)

    await desk.recalls(netgsm=Keeper("back", "twice", "both")).call_back()

    ended = await desk.outcome(ends[back])
    assert await desk.stand(ends[back]) == ("cancelled", "recalled")
    assert (ended.state, ended.reason) == ("cancelled", "recalled")
    assert await desk.stand(ends[gone]) == ("queued", "")
    assert await desk.stand(ends[twice]) == ("queued", "")
    assert (await desk.outcome(ends[twice])).state == "open"
    assert await desk.stand(leaving) == ("handing_over", "")
    assert await desk.stand(told) == ("delivered", "")


async def test_an_all_clear_over_another_channel_is_not_touched(desk: Desk) -> None:
    who = await desk.customer()
    first = await desk.begin()
    await desk.handed(first, "back", customer=who)
    await desk.stop()
    by_mail = await desk.waiting(await desk.begin(NoticeKind.ALL_CLEAR), who, Channel.EMAIL)

    await desk.recalls(netgsm=Keeper("back")).call_back()

    assert await desk.stand(by_mail) == ("queued", "")


async def test_an_all_clear_that_was_too_early_is_called_back_by_itself(desk: Desk) -> None:
    who = await desk.customer()
    notice = await desk.handed(await desk.begin(), "notice", customer=who, ago=timedelta(hours=1))
    over = await desk.handed(await desk.begin(NoticeKind.ALL_CLEAR), "over", customer=who)
    await desk.stop()
    again = await desk.waiting(await desk.begin(NoticeKind.UPDATE), who)

    await desk.recalls(netgsm=Keeper("over")).call_back()

    assert await desk.stand(over) == ("cancelled", "recalled")
    assert await desk.stand(notice) == ("accepted", "")
    assert await desk.stand(again) == ("queued", "")


# ---------------------------------------------------------------- who can


async def test_a_rehearsed_notice_is_given_back_by_the_simulated_provider(desk: Desk) -> None:
    told: list[Receipt] = []

    async def receive(receipts: Sequence[Receipt]) -> None:
        told.extend(receipts)

    simulated = Simulated(receive, pace=Pace(soon=timedelta(hours=1)))
    sent = a_mail()
    answer = await simulated.send(sent)
    one = await desk.handed(
        await desk.begin(), answer.reference, provider="simulated", simulated=True
    )
    await desk.stop()

    await desk.recalls(simulated=simulated).call_back()
    await simulated.close()

    assert await desk.stand(one) == ("cancelled", "recalled")
    assert told == []


async def test_netgsm_and_the_simulated_provider_are_those_that_can(
    carrier: CarrierProbe, mailbox: MailboxProbe, netgsm: NetgsmSms
) -> None:
    async def receive(receipts: Sequence[Receipt]) -> None:
        assert not receipts

    async with AsyncExitStack() as held:
        senders: Mapping[str, Sender] = {
            "netgsm": netgsm,
            "simulated": Simulated(receive),
            "smtp": SmtpEmail(mailbox.smtp()),
            "twilio": TwilioSms(carrier.twilio(), status_callback_url="http://127.0.0.1:9/"),
        }
        for name in ("smtp", "twilio", "simulated"):
            held.push_async_callback(senders[name].close)

        assert set(recalling_of(senders)) == {"netgsm", "simulated"}
