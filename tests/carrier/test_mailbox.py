"""The mailbox, judged by the standard library's SMTP client and a browser's view of it."""

import smtplib
from email.message import EmailMessage

import pytest

from tests.support.carrier import MailboxProbe

TO = "ayse@example.com"


def a_mail(subject: str = "Merhaba", html: str = "") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "bank@banka.example", TO, subject
    mail.set_content("Şifrenizi paylaşmayın.")
    if html:
        mail.add_alternative(html, subtype="html")
    return mail


def bring(mailbox: MailboxProbe, mail: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=5) as client:
        client.send_message(mail)


def test_a_mail_is_kept_and_read(mailbox: MailboxProbe) -> None:
    bring(mailbox, a_mail(html="<b>Şifre</b>"))

    [mail] = mailbox.mails(TO)
    assert mail["subject"] == "Merhaba"
    assert mail["text"].strip() == "Şifrenizi paylaşmayın."
    assert mail["html"].strip() == "<b>Şifre</b>"
    assert mailbox.mails("nobody@example.com") == []


def test_mails_are_listed_in_short_without_their_words(mailbox: MailboxProbe) -> None:
    mail = a_mail()
    mail["Message-ID"] = "<01ABC@tellal.example>"
    bring(mailbox, mail)

    answer = mailbox.http.get("/api/messages", params={"to": TO, "short": True})

    [listed] = answer.json()["messages"]
    assert (listed["message_id"], listed["to"]) == ("<01ABC@tellal.example>", [TO])
    assert listed["at"] == mailbox.mails(TO)[0]["at"]
    assert "text" not in listed


def test_a_page_shows_mails_and_runs_nothing_of_them(mailbox: MailboxProbe) -> None:
    bring(mailbox, a_mail("<script>alert(1)</script>", html="<script>alert(2)</script>"))
    number = mailbox.mails(TO)[0]["id"]

    overview = mailbox.http.get("/")
    mail = mailbox.http.get(f"/mails/{number}")

    assert "&lt;script&gt;alert(1)" in overview.text
    assert "<script" not in overview.text + mail.text
    assert "<iframe sandbox srcdoc=" in mail.text
    assert "default-src 'none'" in mail.headers["content-security-policy"]
    assert mailbox.http.get("/mails/999999").status_code == 404


@pytest.mark.parametrize(
    "stage", [pytest.param("rcpt", id="rcpt"), pytest.param("data", id="data")]
)
def test_a_refusal_comes_at_its_stage_as_often_as_told(mailbox: MailboxProbe, stage: str) -> None:
    mailbox.fault(TO, code=451, text="4.7.1 later", stage=stage, times=1)

    expected = smtplib.SMTPRecipientsRefused if stage == "rcpt" else smtplib.SMTPDataError
    with pytest.raises(expected):
        bring(mailbox, a_mail())
    bring(mailbox, a_mail())

    assert len(mailbox.mails(TO)) == 1
    assert mailbox.attempts(TO) == 2


def test_anybody_may_log_in(mailbox: MailboxProbe) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=5) as client:
        code, _ = client.login("user", "password")

    assert code == 235


def test_it_is_emptied(mailbox: MailboxProbe) -> None:
    bring(mailbox, a_mail())

    mailbox.reset()

    assert mailbox.mails() == []
    assert mailbox.attempts(TO) == 0


def test_a_connection_that_breaks_after_the_data_leaves_the_mail(mailbox: MailboxProbe) -> None:
    mailbox.fault(TO, disconnect_after_data=True, times=1)

    with pytest.raises(smtplib.SMTPServerDisconnected):
        bring(mailbox, a_mail())
    bring(mailbox, a_mail())

    assert [mail["told"] for mail in mailbox.mails(TO)] == [0, 250]


def test_a_fault_with_a_rate_strikes_some(mailbox: MailboxProbe) -> None:
    mailbox.fault(TO, code=451, stage="data", rate=0.5)

    refused = 0
    for _ in range(30):
        try:
            bring(mailbox, a_mail())
        except smtplib.SMTPDataError:
            refused += 1

    assert 0 < refused < 30
    assert len(mailbox.mails(TO)) == 30 - refused
