"""Our mails through a real Postfix: its own reports come back and fail the right message."""

from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import select, update

from activities.providers.smtp.email import SmtpEmail
from tellal.domain.bounces import Said
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.messages import Answer, MessageState
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ContactPointRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.bounces import Bounces, Worked
from tellal.services.complaints import Complaints
from tellal.services.house import House
from tellal.services.receipt_inbox import InboxWork
from tellal.services.receipts import Receipts
from tellal.settings import SmtpSettings
from tests.interop.postfix import Postfix, a_postfix
from tests.providers.test_smtp_email import a_mail
from tests.support.bounces import SETTINGS, paths
from tests.support.builders import a_brand, a_customer
from tests.support.carrier import MailboxProbe
from tests.support.ledger import a_message, message
from tests.support.receiving import Receiver, receiving
from tests.support.waiting import until

pytestmark = pytest.mark.interop
_messages = table(MessageRow)
_LONG_S = 60.0


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with receiving() as there:
        yield there


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        return await a_brand(tx)


async def leaves(house: House, brand: Brand, relay: Postfix, address: str) -> str:
    """Have a message of the ledger handed over to Postfix; return its id."""
    async with house.sessions() as tx, tx.begin():
        reader = await a_customer(tx, brand, address, contacts={Channel.EMAIL: address})
        message_id = await a_message(tx, brand, customer_id=reader, channel=Channel.EMAIL)
    sender = SmtpEmail(SmtpSettings(host="127.0.0.1", port=relay.port, bounces=SETTINGS))
    answer = await sender.send(a_mail(id=message_id, address=address))
    await sender.close()
    assert answer.answer is Answer.ACCEPTED, answer
    values = {"attempt": 1, "provider": "smtp", "receipts": "bounce_only"}
    values |= {"state": MessageState.ACCEPTED.value, "reference": answer.reference}
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_messages).where(_messages.c.id == message_id).values(**values))
    return message_id


async def comes_back(house: House, receiver: Receiver, relay: Postfix, number: int) -> list[Worked]:
    """Wait until so many mails came back, and work them in."""
    try:
        await until(lambda: _is(len(receiver.got) >= number), timeout_s=_LONG_S)
    except TimeoutError as error:
        raise AssertionError(relay.log()) from error
    bounces = Bounces(
        paths(),
        complaints=Complaints(house.books, house.progress, house.clock),
        progress=house.progress,
        clock=house.clock,
    )
    done = []
    for _, to, raw in receiver.got:
        assert b"postfix" in raw.lower()
        async with house.sessions() as tx, tx.begin():
            by_header = await bounces.take(tx, raw)
            by_envelope = await bounces.take(tx, raw, to=to[0])
        assert by_header == by_envelope
        done.append(by_header)
    await InboxWork(house.sessions, house.clock, Receipts(house.clock, house.progress)).work()
    return done


async def bad_addresses(house: House) -> dict[str, str]:
    points = table(ContactPointRow).c
    async with house.sessions() as tx:
        query = select(points.address, points.bad_reason).where(points.bad_reason != "")
        return {row.address: row.bad_reason for row in await tx.execute(query)}


async def test_postfixs_own_reports_fail_the_right_messages(
    house: House, brand: Brand, receiver: Receiver, mailbox: MailboxProbe
) -> None:
    """An unknown user of its own, a full mailbox, a policy, and a server that refuses."""
    mailbox.fault("nobody@far.example", code=550, text="5.1.1 <nobody@far.example>: unknown")
    mailbox.fault("ayse@far.example", code=552, text="5.2.2 the mailbox is full", stage="data")
    mailbox.fault("veli@far.example", code=550, text="5.7.1 we do not like you")
    transports = {
        "far.example": f"smtp:[127.0.0.1]:{mailbox.smtp_port}",
        "mail.banka.example": f"smtp:[127.0.0.1]:{receiver.port}",
    }
    wanted = {
        "no-such-user@users.example": ("undelivered", "5.1.1"),
        "ayse@far.example": ("undelivered", "5.2.2"),
        "veli@far.example": ("undelivered", "5.7.1"),
        "nobody@far.example": ("undelivered", "5.1.1"),
        "ali@far.example": ("accepted", ""),
    }

    with a_postfix(transports) as relay:
        ids = {address: await leaves(house, brand, relay, address) for address in wanted}
        worked = await comes_back(house, receiver, relay, 4)
        await until(lambda: _is(bool(mailbox.mails("ali@far.example"))))

    states = {}
    for address, message_id in ids.items():
        row = await message(house.sessions, message_id)
        states[address] = (row.state, row.code)
    assert states == wanted
    assert {one.said for one in worked} == {Said.FAILED}
    assert await bad_addresses(house) == {
        "no-such-user@users.example": "smtp:5.1.1",
        "nobody@far.example": "smtp:5.1.1",
    }
    print("Postfix: 4 genuine reports failed 4 messages of 5, 2 addresses were given up")  # noqa: T201 - shown by `make interop`


async def test_a_warning_of_postfix_fails_nothing_and_its_giving_up_does(
    house: House, brand: Brand, receiver: Receiver, mailbox: MailboxProbe
) -> None:
    mailbox.fault("ayse@away.example", code=452, text="4.2.2 the mailbox is full for now")
    transports = {
        "away.example": f"smtp:[127.0.0.1]:{mailbox.smtp_port}",
        "mail.banka.example": f"smtp:[127.0.0.1]:{receiver.port}",
    }

    with a_postfix(transports, lifetime="9s") as relay:
        message_id = await leaves(house, brand, relay, "ayse@away.example")
        [warned] = await comes_back(house, receiver, relay, 1)
        while_warned = (await message(house.sessions, message_id)).state
        await until(lambda: _is(len(receiver.got) >= 2), timeout_s=_LONG_S)
        del receiver.got[0]
        [given_up] = await comes_back(house, receiver, relay, 1)

    row = await message(house.sessions, message_id)
    assert (warned.said, while_warned) == (Said.DELAYED, "accepted")
    assert (given_up.said, given_up.fault) == (Said.FAILED, "temporary")
    assert (row.state, row.code) == ("undelivered", "4.2.2")
    assert await bad_addresses(house) == {}
    print("Postfix: its warning of a delay failed nothing, its giving up did (4.2.2)")  # noqa: T201 - as above


async def _is(holds: bool) -> bool:
    return holds
