"""The mailbox is killed; what it had taken it still has."""

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import httpx

from tests.support.carrier import MailboxProbe, free_port
from tests.support.processes import until

TO = "ayse@example.com"
_PROGRAM = (
    "import sys; from pathlib import Path; from tellal.carrier.mailbox import serve;"
    " serve('127.0.0.1', int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))"
)


def bring(mailbox: MailboxProbe, subject: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "bank@banka.example", TO, subject
    mail["Message-ID"] = f"<{subject}@banka.example>"
    mail.set_content("Şifrenizi paylaşmayın.")
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=5) as client:
        client.send_message(mail)


@contextmanager
def killed_afterwards(file: Path) -> Iterator[MailboxProbe]:
    smtp_port, http_port = free_port(), free_port()
    url = f"http://127.0.0.1:{http_port}"
    words = [sys.executable, "-c", _PROGRAM, str(smtp_port), str(http_port), str(file)]
    with subprocess.Popen(words) as process, httpx.Client(base_url=url) as http:
        try:
            assert until(lambda: _healthy(http))
            yield MailboxProbe(url=url, smtp_port=smtp_port, http=http)
        finally:
            process.kill()


def _healthy(http: httpx.Client) -> bool:
    try:
        return http.get("/healthz").is_success
    except httpx.TransportError:
        return False


def subjects(mailbox: MailboxProbe) -> list[str]:
    return [mail["subject"] for mail in mailbox.mails(TO)]


def test_what_was_answered_for_outlives_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "mails"
    with killed_afterwards(file) as mailbox:
        bring(mailbox, "one")
        bring(mailbox, "two")

    with killed_afterwards(file) as mailbox:
        before = mailbox.mails(TO)
        bring(mailbox, "three")

    with killed_afterwards(file) as mailbox:
        after = mailbox.mails(TO)

    assert [mail["message_id"] for mail in before] == ["<one@banka.example>", "<two@banka.example>"]
    assert [mail["id"] for mail in after] == [1, 2, 3]
    assert after[:2] == before


def test_a_torn_line_is_no_mail_and_spoils_none(tmp_path: Path) -> None:
    file = tmp_path / "mails"
    with killed_afterwards(file) as mailbox:
        bring(mailbox, "whole")
    with file.open("ab") as end:
        end.write(file.read_bytes()[:40])

    with killed_afterwards(file) as mailbox:
        bring(mailbox, "next")

    with killed_afterwards(file) as mailbox:
        assert subjects(mailbox) == ["whole", "next"]


def test_an_emptied_mailbox_stays_empty(tmp_path: Path) -> None:
    file = tmp_path / "mails"
    with killed_afterwards(file) as mailbox:
        bring(mailbox, "gone")
        mailbox.reset()
        bring(mailbox, "kept")

    with killed_afterwards(file) as mailbox:
        assert subjects(mailbox) == ["kept"]
