"""What the rehearsed mailbox sends back about mails: to whom it is told, when, and how often."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from aiosmtplib import SMTP

from activities.providers.smtp.email import SmtpEmail
from tellal.domain.bounces import Said, read_report
from tellal.domain.messages import Answer
from tellal.domain.return_paths import Attempt
from tests.providers.test_smtp_email import TO, a_mail
from tests.support.bounces import SETTINGS, paths
from tests.support.carrier import MailboxProbe
from tests.support.receiving import Receiver, receiving
from tests.support.waiting import until


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with receiving() as there:
        yield there


@pytest.fixture
async def email(mailbox: MailboxProbe) -> AsyncGenerator[SmtpEmail]:
    relay = mailbox.smtp()
    sender = SmtpEmail(relay.model_copy(update={"bounces": SETTINGS}))
    yield sender
    await sender.close()


def way(receiver: Receiver) -> dict[str, Any]:
    return {"smtp": f"127.0.0.1:{receiver.port}"}


async def test_each_mail_leaves_with_a_return_address_of_its_own(
    email: SmtpEmail, mailbox: MailboxProbe
) -> None:
    one, other = a_mail(), a_mail()

    answers = [await email.send(one), await email.send(other)]

    assert [answer.answer for answer in answers] == [Answer.ACCEPTED] * 2
    letters = mailbox.mails(TO)
    found = [paths().find(letter["from"]) for letter in letters]
    assert found == [Attempt(message_id=each.id, number=1) for each in (one, other)]
    assert {letter["headers"]["From"] for letter in letters} == {one.sender}


async def test_without_the_setting_a_mail_leaves_as_it_did(mailbox: MailboxProbe) -> None:
    sender = SmtpEmail(mailbox.smtp())
    await sender.send(a_mail())
    await sender.close()

    [letter] = mailbox.mails(TO)
    assert letter["from"] == "bilgi@banka.example"


async def test_a_bounce_comes_back_to_that_address_and_has_no_sender_itself(
    email: SmtpEmail, mailbox: MailboxProbe, receiver: Receiver
) -> None:
    mailbox.sends_back(TO, kind="failed", code="5.2.2", **way(receiver))
    mail = a_mail()

    await email.send(mail)
    await email.send(a_mail(address="ali@example.com"))
    await until(lambda: _is(len(receiver.got) == 1))

    [(mail_from, rcpt_tos, raw)] = receiver.got
    report = read_report(raw)
    assert mail_from == "<>"
    assert [paths().find(one) for one in rcpt_tos] == [Attempt(message_id=mail.id, number=1)]
    assert (report.said, report.code) == (Said.FAILED, "5.2.2")
    assert mailbox.returned() == {"brought": 1, "lost": 0, "under_way": 0}


async def test_a_burst_brings_back_what_was_taken_before(
    email: SmtpEmail, mailbox: MailboxProbe, receiver: Receiver
) -> None:
    for _ in range(30):
        await email.send(a_mail())

    mailbox.sends_back(burst=True, rate=0.5, kind="abuse", copies=2, **way(receiver))
    await until(lambda: _is(not mailbox.returned()["under_way"]))

    counted = mailbox.returned()["brought"]
    assert 10 <= counted <= 50
    assert counted == len(receiver.got)
    assert {read_report(raw).said for _, _, raw in receiver.got} == {Said.COMPLAINT}


async def test_a_late_one_waits(email: SmtpEmail, mailbox: MailboxProbe) -> None:
    mailbox.sends_back(after_s=3600, times=1, smtp="127.0.0.1:9")

    await email.send(a_mail())
    await email.send(a_mail())

    assert mailbox.returned() == {"brought": 0, "lost": 0, "under_way": 1}
    mailbox.http.delete("/api/returns").raise_for_status()
    await until(lambda: _is(not mailbox.returned()["under_way"]))


async def test_what_cannot_be_brought_is_counted(email: SmtpEmail, mailbox: MailboxProbe) -> None:
    mailbox.sends_back(url="http://127.0.0.1:9/v1/inbound/bounces", key="secret")

    await email.send(a_mail())
    await until(lambda: _is(mailbox.returned()["lost"] == 1))

    listed = mailbox.http.get("/api/returns").raise_for_status()
    assert "secret" not in listed.text
    assert listed.json()[0]["fired"] == 1


async def test_what_has_no_sender_is_never_answered(
    mailbox: MailboxProbe, receiver: Receiver
) -> None:
    mailbox.sends_back(**way(receiver))

    async with SMTP(hostname="127.0.0.1", port=mailbox.smtp_port, start_tls=False) as client:
        await client.sendmail("", [TO], b"Subject: Undelivered\r\n\r\nSorry.\r\n")

    assert mailbox.attempts(TO) == 1
    assert mailbox.returned() == {"brought": 0, "lost": 0, "under_way": 0}


@pytest.mark.parametrize("ways", [{}, {"url": "http://x", "smtp": "x:25"}])
def test_a_rule_names_one_way_back(mailbox: MailboxProbe, ways: dict[str, Any]) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        mailbox.sends_back(**ways)


async def _is(holds: bool) -> bool:
    return holds
