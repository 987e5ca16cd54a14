"""Neither server writes a person into its log, however talkative the log is."""

import smtplib
from pathlib import Path

from tests.support.carrier import a_carrier, a_mailbox

NUMBER, ADDRESS, SECRET = "+905321112233", "ayse@example.com", "the-word-of-the-day"


def test_the_simulator_logs_no_person(tmp_path: Path) -> None:
    log = tmp_path / "carrier.log"

    with a_carrier(log) as carrier:
        account = carrier.account
        push = {"message": {"token": NUMBER, "notification": {"body": SECRET}}}
        carrier.http.post(
            f"/2010-04-01/Accounts/{account.account_sid}/Messages.json",
            data={"To": NUMBER, "From": "B", "Body": SECRET},
            auth=(account.account_sid, account.auth_token),
        ).raise_for_status()
        carrier.http.post(
            f"/v1/projects/{account.fcm_project}/messages:send",
            json=push,
            headers={"Authorization": f"Bearer {account.fcm_bearer}"},
        ).raise_for_status()
        carrier.http.post(
            "/sms/rest/v2/send",
            json={
                "msgheader": "BANKA",
                "iysfilter": "0",
                "messages": [{"no": NUMBER.removeprefix("+90"), "msg": SECRET}],
            },
            auth=(account.netgsm_usercode, account.netgsm_password),
        ).raise_for_status()
        assert len(carrier.book(to=NUMBER)) == 3

    assert not {word for word in (NUMBER, SECRET) if word in log.read_text()}


def test_the_mailbox_logs_no_person(tmp_path: Path) -> None:
    log = tmp_path / "mailbox.log"

    with a_mailbox(log) as mailbox:
        with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=5) as client:
            client.sendmail("bank@banka.example", ADDRESS, f"Subject: x\r\n\r\n{SECRET}")
        assert len(mailbox.mails(ADDRESS)) == 1

    assert not {word for word in (ADDRESS, SECRET) if word in log.read_text()}
