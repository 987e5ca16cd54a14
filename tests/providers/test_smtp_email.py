"""Our mail adapter against a real SMTP server: what it writes, and what it makes of each answer."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from activities.providers.smtp.email import SmtpEmail
from tellal.clock import SystemClock
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.messages import Answer, OutgoingMessage, Remedy
from tellal.ids import new_id
from tellal.settings import SmtpSettings
from tests.support.carrier import MailboxProbe, free_port

TO = "ayse@example.com"
IMPATIENT_S = 1.0


def a_mail(**changes: str) -> OutgoingMessage:
    message = OutgoingMessage(
        id=new_id(),
        attempt=1,
        channel=Channel.EMAIL,
        message_class=MessageClass.SERVICE,
        lane=Lane.JOURNEYS,
        sender="Örnek Bankası <bilgi@banka.example>",
        address=TO,
        subject="Güvenliğiniz için",
        text="Şifrenizi kimseyle paylaşmayın.\n.\nBir noktadan sonra da okunur.",
        html="<p>Şifrenizi kimseyle <b>paylaşmayın</b>.</p>",
    )
    return replace(message, **changes)  # type: ignore[arg-type]  # the names are checked at run time


@pytest.fixture
async def email(mailbox: MailboxProbe) -> AsyncGenerator[SmtpEmail]:
    sender = SmtpEmail(mailbox.smtp(timeout_s=IMPATIENT_S))
    yield sender
    await sender.close()


async def test_an_accepted_mail_arrives_whole(email: SmtpEmail, mailbox: MailboxProbe) -> None:
    message = a_mail()

    answer = await email.send(message)

    [mail] = mailbox.mails(TO)
    assert (answer.answer, answer.reference) == (Answer.ACCEPTED, mail["message_id"])
    assert mail["message_id"] == f"<{message.id}@banka.example>"
    assert mail["from"] == "bilgi@banka.example"
    assert mail["headers"]["From"] == "Örnek Bankası <bilgi@banka.example>"
    assert mail["subject"] == "Güvenliğiniz için"
    assert mail["text"].splitlines() == message.text.splitlines()
    assert mail["html"].strip() == message.html
    assert mailbox.attempts(TO) == 1


async def test_a_mail_without_html_is_plain(email: SmtpEmail, mailbox: MailboxProbe) -> None:
    await email.send(a_mail(html=""))

    [mail] = mailbox.mails(TO)
    assert mail["headers"]["Content-Type"].startswith("text/plain")
    assert mail["html"] == ""


def test_it_declares_that_only_bounces_come_back(email: SmtpEmail) -> None:
    assert (email.channel, email.receipts) == (Channel.EMAIL, Receipts.BOUNCE_ONLY)


REFUSALS = [
    pytest.param(451, "4.7.1 later", "rcpt", Remedy.RETRY, id="greylisted"),
    pytest.param(452, "4.2.2 full", "data", Remedy.RETRY, id="full for now"),
    pytest.param(421, "4.3.2 closing", "rcpt", Remedy.RETRY, id="closing"),
    pytest.param(550, "5.1.1 who", "rcpt", Remedy.BAD_ADDRESS, id="no such user"),
    pytest.param(550, "5.1.2 where", "rcpt", Remedy.BAD_ADDRESS, id="no such domain"),
    pytest.param(553, "5.1.3 what", "rcpt", Remedy.BAD_ADDRESS, id="unreadable"),
    pytest.param(550, "5.1.6 moved", "rcpt", Remedy.BAD_ADDRESS, id="moved"),
    pytest.param(556, "5.1.10 null MX", "rcpt", Remedy.BAD_ADDRESS, id="takes no mail"),
    pytest.param(550, "5.2.1 disabled", "rcpt", Remedy.BAD_ADDRESS, id="disabled"),
    pytest.param(552, "5.2.2 full", "rcpt", Remedy.NEXT_CHANNEL, id="full"),
    pytest.param(554, "5.7.1 spam", "data", Remedy.NEXT_CHANNEL, id="policy"),
    pytest.param(550, "no code at all", "rcpt", Remedy.NEXT_CHANNEL, id="without a code"),
    pytest.param(553, "5.1.7 sender", "data", Remedy.HALT, id="our address"),
    pytest.param(553, "5.1.8 sender", "data", Remedy.HALT, id="our domain"),
    pytest.param(550, "5.7.3 login", "rcpt", Remedy.HALT, id="not logged in"),
    pytest.param(535, "5.7.8 login", "rcpt", Remedy.HALT, id="credentials"),
    pytest.param(534, "5.7.9 login", "rcpt", Remedy.HALT, id="weak login"),
    pytest.param(538, "5.7.11 TLS", "rcpt", Remedy.HALT, id="no encryption"),
    pytest.param(530, "log in", "rcpt", Remedy.HALT, id="530"),
    pytest.param(535, "log in", "rcpt", Remedy.HALT, id="535"),
]


@pytest.mark.parametrize(("code", "text", "stage", "remedy"), REFUSALS)
async def test_a_refusal_says_what_to_do_next(  # noqa: PLR0917 (a table and two servers)
    email: SmtpEmail, mailbox: MailboxProbe, code: int, text: str, stage: str, remedy: Remedy
) -> None:
    mailbox.fault(TO, code=code, text=text, stage=stage)

    answer = await email.send(a_mail())

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, remedy)
    assert mailbox.attempts(TO) == 1
    assert mailbox.mails(TO) == []


async def test_the_next_mail_goes_after_a_refused_one(
    email: SmtpEmail, mailbox: MailboxProbe
) -> None:
    mailbox.fault("nobody@example.com", code=550, text="5.1.1 who")

    refused = await email.send(a_mail(address="nobody@example.com"))
    accepted = await email.send(a_mail())

    assert (refused.code, accepted.answer) == ("5.1.1", Answer.ACCEPTED)
    assert mailbox.connections() == 1


async def test_a_mail_taken_in_silence_is_ambiguous_and_keeps_its_name(
    email: SmtpEmail, mailbox: MailboxProbe
) -> None:
    message = a_mail()
    mailbox.fault(TO, hang_after_data=True, times=1)

    first = await email.send(message)
    second = await email.send(replace(message, attempt=2))

    names = {mail["message_id"] for mail in mailbox.mails(TO)}
    assert (first.answer, first.remedy) == (Answer.AMBIGUOUS, Remedy.RECONCILE)
    assert second.answer is Answer.ACCEPTED
    assert names == {f"<{message.id}@banka.example>"}
    assert mailbox.attempts(TO) == 2


@pytest.mark.parametrize(
    ("stage", "answer", "remedy"),
    [
        pytest.param("rcpt", Answer.REJECTED, Remedy.RETRY, id="before the mail"),
        pytest.param("data", Answer.AMBIGUOUS, Remedy.RECONCILE, id="after the mail"),
    ],
)
async def test_a_broken_connection_means_what_was_said_before_it(
    email: SmtpEmail, mailbox: MailboxProbe, stage: str, answer: Answer, remedy: Remedy
) -> None:
    mailbox.fault(TO, disconnect=True, stage=stage)

    given = await email.send(a_mail())

    assert (given.answer, given.remedy) == (answer, remedy)
    assert mailbox.attempts(TO) == 1


async def test_a_refused_connection_may_be_tried_again() -> None:
    sender = SmtpEmail(SmtpSettings(host="127.0.0.1", port=free_port()))

    answer = await sender.send(a_mail())

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, Remedy.RETRY)


@pytest.mark.parametrize(
    ("greeting", "remedy"),
    [
        pytest.param(b"421 4.3.2 come back later\r\n", Remedy.RETRY, id="busy"),
        pytest.param(b"554 5.7.1 you are blocked\r\n", Remedy.HALT, id="blocked"),
    ],
)
async def test_a_relay_that_does_not_let_us_in(greeting: bytes, remedy: Remedy) -> None:
    async def turn_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(turn_away, "127.0.0.1", 0) as relay:
        port = relay.sockets[0].getsockname()[1]
        sender = SmtpEmail(SmtpSettings(host="127.0.0.1", port=port, timeout_s=IMPATIENT_S))
        answer = await sender.send(a_mail())
        await sender.close()

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, remedy)


async def test_a_login_is_made_where_there_is_one(mailbox: MailboxProbe) -> None:
    settings = mailbox.smtp().model_copy(update={"username": "u", "password": SecretStr("p")})
    sender = SmtpEmail(settings)

    answer = await sender.send(a_mail())
    await sender.close()

    assert answer.answer is Answer.ACCEPTED


async def test_encryption_that_the_relay_has_not_halts_the_route(mailbox: MailboxProbe) -> None:
    sender = SmtpEmail(mailbox.smtp().model_copy(update={"tls": "starttls"}))

    answer = await sender.send(a_mail())
    await sender.close()

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, Remedy.HALT)
    assert mailbox.attempts(TO) == 0


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"subject": "Two\nBcc: everybody@example.com"}, id="line break"),
        pytest.param({"sender": "Nobody"}, id="sender without address"),
        pytest.param({"address": "not an address"}, id="recipient without address"),
    ],
)
async def test_what_cannot_be_written_is_never_brought_to_the_relay(
    email: SmtpEmail, mailbox: MailboxProbe, changes: dict[str, str]
) -> None:
    answer = await email.send(a_mail(**changes))

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, Remedy.NEXT_CHANNEL)
    assert mailbox.attempts("") == 0


async def test_many_mails_share_few_connections(mailbox: MailboxProbe) -> None:
    sender = SmtpEmail(mailbox.smtp(connections=2))

    answers = await asyncio.gather(*(sender.send(a_mail()) for _ in range(40)))
    await sender.close()

    assert {answer.answer for answer in answers} == {Answer.ACCEPTED}
    assert mailbox.attempts(TO) == 40
    assert mailbox.connections() <= 2


async def test_a_connection_is_retired_after_its_mails(mailbox: MailboxProbe) -> None:
    sender = SmtpEmail(mailbox.smtp(connections=1))

    for _ in range(101):
        await sender.send(a_mail(html=""))
    await sender.close()

    assert mailbox.attempts(TO) == 101
    assert mailbox.connections() == 2


async def test_a_relay_cannot_be_asked(email: SmtpEmail) -> None:
    assert await email.look_up(a_mail(), SystemClock().now()) is None
