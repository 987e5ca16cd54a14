"""The simulated provider: each fate, its receipts in time, and an honest look-up."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from activities.providers.simulated import Pace, Simulated
from tellal.clock import SystemClock
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.messages import Answer, HandOver, MessageState, OutgoingMessage, Receipt, Remedy
from tellal.domain.simulation import MAIL_DOMAIN, Fate
from tellal.ids import new_id
from tellal.ports import Recalling, Sender
from tests.support.waiting import until

BRISK = Pace(soon=timedelta(milliseconds=20), slow=timedelta(milliseconds=200))
HOURS = Pace(soon=timedelta(hours=1), slow=timedelta(hours=2))


class Inbox:
    """Keeps what it is told; it can be away for a number of calls."""

    def __init__(self, *, away: int = 0) -> None:
        self.receipts: list[Receipt] = []
        self.calls = 0
        self._away = away

    async def put(self, receipts: Sequence[Receipt]) -> None:
        self.calls += 1
        if self.calls <= self._away:
            raise ConnectionError
        self.receipts += receipts

    async def heard(self, number: int) -> bool:
        return len(self.receipts) >= number


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def simulated(inbox: Inbox) -> AsyncGenerator[Simulated]:
    sender = Simulated(inbox.put, pace=BRISK)
    yield sender
    await sender.close()


def a_mail(fate: Fate | str = Fate.DELIVERED, *, attempt: int = 1) -> OutgoingMessage:
    return OutgoingMessage(
        id=new_id(),
        attempt=attempt,
        channel=Channel.EMAIL,
        message_class=MessageClass.SERVICE,
        lane=Lane.JOURNEYS,
        sender="",
        address=f"{fate}@{MAIL_DOMAIN}",
        subject="Güvenliğiniz için",
        text="Şifrenizi kimseyle paylaşmayın.",
    )


async def test_it_is_a_sender_that_tells_and_can_be_asked(simulated: Simulated) -> None:
    sender: Sender = simulated

    assert (sender.provider, sender.receipts, sender.looks_up) == (
        "simulated",
        Receipts.DELIVERY,
        True,
    )


@pytest.mark.parametrize(
    ("fate", "state", "remedy"),
    [
        (Fate.DELIVERED, MessageState.DELIVERED, None),
        (Fate.UNDELIVERED, MessageState.UNDELIVERED, Remedy.NEXT_CHANNEL),
        (Fate.SLOW, MessageState.DELIVERED, None),
    ],
)
async def test_what_it_takes_it_tells_of(
    simulated: Simulated, inbox: Inbox, fate: Fate, state: MessageState, remedy: Remedy | None
) -> None:
    message = a_mail(fate)

    answer = await simulated.send(message)

    assert answer.answer is Answer.ACCEPTED
    await until(lambda: inbox.heard(1))
    [receipt] = inbox.receipts
    assert (receipt.provider, receipt.message_id, receipt.reference) == (
        "simulated",
        message.id,
        answer.reference,
    )
    assert (receipt.state, receipt.remedy) == (state, remedy)


@pytest.mark.parametrize(
    ("fate", "remedy"),
    [
        (Fate.REFUSED, Remedy.BAD_ADDRESS),
        (Fate.OPTED_OUT, Remedy.OPTED_OUT),
        (Fate.LATER, Remedy.RETRY),
        ("nonsense", Remedy.BAD_ADDRESS),
    ],
)
async def test_what_it_does_not_take_it_says_at_once(
    inbox: Inbox, fate: Fate | str, remedy: Remedy
) -> None:
    sender = Simulated(inbox.put, pace=HOURS)

    answer = await sender.send(a_mail(fate))
    await sender.close()

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, remedy)
    assert answer.code
    assert inbox.receipts == []


async def test_what_was_busy_once_is_taken_and_delivered(
    simulated: Simulated, inbox: Inbox
) -> None:
    first = a_mail(Fate.LATER)
    await simulated.send(first)

    again = await simulated.send(replace(first, attempt=2))

    assert again.answer is Answer.ACCEPTED
    await until(lambda: inbox.heard(1))
    assert [one.state for one in inbox.receipts] == [MessageState.DELIVERED]


async def test_an_address_of_somebody_is_always_delivered(
    simulated: Simulated, inbox: Inbox
) -> None:
    answer = await simulated.send(replace(a_mail(), address="ayse@example.com"))

    assert answer.answer is Answer.ACCEPTED
    await until(lambda: inbox.heard(1))
    assert inbox.receipts[0].state is MessageState.DELIVERED


async def test_of_the_silent_nothing_is_told_even_at_the_end(inbox: Inbox) -> None:
    sender = Simulated(inbox.put, pace=BRISK)

    answer = await sender.send(a_mail(Fate.SILENT))
    await sender.close()

    assert answer.answer is Answer.ACCEPTED
    assert inbox.receipts == []


async def test_a_slow_receipt_does_not_keep_others_waiting(
    simulated: Simulated, inbox: Inbox
) -> None:
    slow, brisk = a_mail(Fate.SLOW), a_mail()
    await simulated.send(slow)
    await asyncio.sleep(0)  # the slow one is waited for by now

    await simulated.send(brisk)

    await until(lambda: inbox.heard(2))
    assert [one.message_id for one in inbox.receipts] == [brisk.id, slow.id]


async def test_what_falls_due_together_is_told_together(inbox: Inbox) -> None:
    sender = Simulated(inbox.put, pace=BRISK)

    answers = await asyncio.gather(*(sender.send(a_mail()) for _ in range(1000)))

    await until(lambda: inbox.heard(1000))
    await sender.close()
    assert len({one.reference for one in answers}) == 1000
    assert inbox.calls < 1000 / 2


async def test_an_inbox_that_is_away_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox(away=1)
    sender = Simulated(inbox.put, pace=BRISK)
    message = a_mail()
    await sender.send(message)

    await until(lambda: inbox.heard(1))
    await sender.close()

    assert [one.message_id for one in inbox.receipts] == [message.id]
    assert MAIL_DOMAIN not in caplog.text


async def test_the_end_of_the_process_comes_after_its_receipts(inbox: Inbox) -> None:
    sender = Simulated(inbox.put, pace=HOURS)
    sent = [a_mail(Fate.SLOW), a_mail()]
    for message in sent:
        await sender.send(message)

    await sender.close()

    assert [one.message_id for one in inbox.receipts] == [sent[1].id, sent[0].id]


async def test_an_inbox_that_stays_away_does_not_keep_the_process_from_ending() -> None:
    inbox = Inbox(away=99)
    sender = Simulated(inbox.put, pace=HOURS)
    await sender.send(a_mail())

    await sender.close()

    assert (inbox.calls, inbox.receipts) == (1, [])


@pytest.mark.parametrize("fate", [Fate.DELIVERED, Fate.UNDELIVERED, Fate.SILENT, Fate.SLOW])
async def test_another_process_finds_what_was_taken(inbox: Inbox, fate: Fate) -> None:
    message = a_mail(fate)
    first = Simulated(inbox.put, pace=HOURS)
    answer = await first.send(message)
    second = Simulated(inbox.put, pace=HOURS)

    found = await second.look_up(message, SystemClock().now())
    await first.close()
    await second.close()

    assert found == answer
    assert len({(one.reference, one.state) for one in inbox.receipts}) == (fate is not Fate.SILENT)


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.OPTED_OUT, Fate.LATER])
async def test_what_was_never_taken_is_to_be_handed_over_again(
    simulated: Simulated, fate: Fate
) -> None:
    found: HandOver | None = await simulated.look_up(a_mail(fate), SystemClock().now())

    assert found is not None
    assert (found.answer, found.remedy) == (Answer.REJECTED, Remedy.RETRY)


async def test_what_is_called_back_in_time_is_never_told(inbox: Inbox) -> None:
    sender = Simulated(inbox.put, pace=HOURS)
    recalling: Recalling = sender
    answers = [await sender.send(a_mail(fate)) for fate in (Fate.SLOW, Fate.DELIVERED, Fate.SLOW)]

    back = [await recalling.recall(answers[1].reference) for _ in range(2)]
    await sender.close()

    assert back == [True, False]
    assert [one.reference for one in inbox.receipts] == [answers[0].reference, answers[2].reference]


async def test_what_was_told_or_is_silent_is_not_called_back(
    simulated: Simulated, inbox: Inbox
) -> None:
    told = await simulated.send(a_mail())
    silent = await simulated.send(a_mail(Fate.SILENT))
    await until(lambda: inbox.heard(1))

    assert not await simulated.recall(told.reference)
    assert not await simulated.recall(silent.reference)


async def test_a_brisk_receipt_comes_after_what_it_waited_behind_was_called_back(
    simulated: Simulated, inbox: Inbox
) -> None:
    first, second = await simulated.send(a_mail()), await simulated.send(a_mail(Fate.SLOW))
    await asyncio.sleep(0)  # the first one is waited for by now

    assert await simulated.recall(first.reference)

    await until(lambda: inbox.heard(1))
    assert [one.reference for one in inbox.receipts] == [second.reference]
