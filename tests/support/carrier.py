"""The simulator and the mailbox for tests: real processes, one of each for a whole run."""

import pickle
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tellal.carrier.settings import CarrierSettings
from tellal.domain.messages import Answer, Remedy
from tellal.settings import (
    ApnsSettings,
    FcmSettings,
    IysSettings,
    NetgsmSettings,
    SmppSettings,
    SmtpSettings,
    TwilioSettings,
    WebPushSettings,
)

CALLER = "+908500000001"
"""The number of the account's from which people are called."""
_START_S = 30.0
_CARRIER = (
    "import sys, pickle; from tellal.carrier.server import serve;"
    " serve('127.0.0.1', int(sys.argv[1]), pickle.loads(bytes.fromhex(sys.argv[2])))"
)
_MAILBOX = (
    "import sys; from tellal.carrier.mailbox import serve;"
    " serve('127.0.0.1', int(sys.argv[1]), int(sys.argv[2]))"
)

WHATEVER_GOES_WRONG = pytest.mark.parametrize(
    ("fault", "answer", "remedy"),
    [
        pytest.param("429", Answer.REJECTED, Remedy.RETRY, id="429"),
        pytest.param("500_before_accept", Answer.AMBIGUOUS, Remedy.RECONCILE, id="500 before"),
        pytest.param("500_after_accept", Answer.AMBIGUOUS, Remedy.RECONCILE, id="500 after"),
        pytest.param("503_html", Answer.AMBIGUOUS, Remedy.RECONCILE, id="503 in HTML"),
        pytest.param("hang", Answer.AMBIGUOUS, Remedy.RECONCILE, id="hang"),
        pytest.param("hang_after_accept", Answer.AMBIGUOUS, Remedy.RECONCILE, id="hang after"),
        pytest.param("reset", Answer.AMBIGUOUS, Remedy.RECONCILE, id="reset"),
        pytest.param("reset_after_accept", Answer.AMBIGUOUS, Remedy.RECONCILE, id="reset after"),
    ],
)
"""Every fault of the simulator on the way to it, and what an adapter must make of each."""


def free_port() -> int:
    """Return a port of the loopback that nobody has now."""
    with socket(AF_INET, SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierProbe:
    """The running simulator, with the questions that tests ask of it."""

    url: str
    account: CarrierSettings
    http: httpx.Client
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End the simulator as a power cut of its own would: without a word (SIGKILL)."""
        self.process.kill()
        self.process.wait()

    def book(self, **question: str | int | bool) -> list[dict[str, Any]]:
        """Return what was taken: `to`, `channel`, `since`, `m`, `limit`, `refused`."""
        answer = self.http.get("/_carrier/book", params=question).raise_for_status()
        entries: list[dict[str, Any]] = answer.json()["entries"]
        return entries

    def nothing_pends(self) -> bool:
        """Say whether every text at NetGSM has come to its end."""
        return all(entry["status"] != "pending" for entry in self.book(limit=1_000_000))

    def requests(self, **question: str) -> int:
        """Count hand-over requests, taken or not."""
        return self._count("requests", question)

    def taken(self, **question: str) -> int:
        """Count messages that go to the phone."""
        return self._count("count", question)

    def _count(self, what: str, question: Mapping[str, str]) -> int:
        answer = self.http.get("/_carrier/book/count", params=question).raise_for_status()
        return int(answer.json()[what])

    def fault(self, fault: str, match: Mapping[str, str] | None = None, **more: object) -> None:
        """Switch a fault on; more: `code`, `rate`, `times`, `retry_after`."""
        body = {"fault": fault, "match": match or {}, **more}
        self.http.post("/_carrier/faults", json=body).raise_for_status()

    def hears_from(self, number: str, at: datetime | None = None) -> None:
        """Let a person write over WhatsApp, now or at another time."""
        body = {"from": number} if at is None else {"from": number, "at": at.isoformat()}
        self.http.post("/_carrier/inbound", json=body).raise_for_status()

    def reset(self) -> None:
        """Forget faults and messages."""
        self.http.delete("/_carrier/faults").raise_for_status()
        self.http.delete("/_carrier/book").raise_for_status()

    def twilio(self, *, timeout_s: float = 5.0) -> TwilioSettings:
        """Return settings of a Twilio account at the simulator."""
        return TwilioSettings(
            account_sid=self.account.account_sid,
            auth_token=SecretStr(self.account.auth_token),
            base_url=self.url,
            timeout_s=timeout_s,
            caller=CALLER,
        )

    def netgsm(self, *, timeout_s: float = 5.0) -> NetgsmSettings:
        """Return settings of a NetGSM account at the simulator."""
        return NetgsmSettings(
            usercode=self.account.netgsm_usercode,
            password=SecretStr(self.account.netgsm_password),
            header="BANKA",
            base_url=self.url,
            timeout_s=timeout_s,
        )

    def smpp(self, *, timeout_s: float = 5.0, **more: Any) -> SmppSettings:  # noqa: ANN401 - settings
        """Return settings of a connection to the simulator's message centre; more: the others."""
        return SmppSettings(
            host="127.0.0.1",
            port=self.account.smpp_port or 0,
            system_id=self.account.smpp_system_id,
            password=SecretStr(self.account.smpp_password),
            sender="BANKA",
            timeout_s=timeout_s,
            **more,
        )

    def people_write(self, sender: str, to: str, text: str) -> None:
        """Let a person write a text that the message centre brings; return when it was taken."""
        said = {"from": sender, "to": to, "text": text}
        self.http.post("/_carrier/texts", json=said).raise_for_status()

    def iys(self, *, timeout_s: float = 5.0) -> IysSettings:
        """Return settings of an API user at the simulated İYS."""
        return IysSettings(
            username=self.account.iys_username,
            password=SecretStr(self.account.iys_password),
            base_url=self.url,
            timeout_s=timeout_s,
        )

    def iys_clock(self, at: datetime) -> None:
        """Let it be another time at İYS."""
        body = {"at": at.isoformat()}
        self.http.post("/_carrier/iys/clock", json=body).raise_for_status()

    def iys_before_activation(self, brand: int) -> None:
        """Let İYS still take a brand's history."""
        path = f"/_carrier/iys/activation/{brand}"
        self.http.post(path, json={"active": False}).raise_for_status()

    def iys_records(self, brand: int) -> list[dict[str, Any]]:
        """Return what stands at İYS for a brand."""
        answer = self.http.get(f"/_carrier/iys/records/{brand}").raise_for_status()
        records: list[dict[str, Any]] = answer.json()["records"]
        return records

    def iys_citizen(self, brand: int, recipient: str, status: str, **more: str) -> None:
        """Let a citizen say something at İYS; more: `type`, `recipientType`, `source`."""
        said = {"recipientType": "BIREYSEL", "type": "MESAJ", **more}
        body = {"recipient": recipient, "status": status, **said}
        self.http.post(f"/_carrier/iys/citizen/{brand}", json=body).raise_for_status()

    def iys_tokens(self) -> dict[str, int]:
        """Count logins and refreshes."""
        answer: dict[str, int] = self.http.get("/_carrier/iys/tokens").raise_for_status().json()
        return answer

    def iys_forgets_tokens(self) -> None:
        """Let İYS know no token any more."""
        self.http.delete("/_carrier/iys/tokens").raise_for_status()

    def apns(self, *, key: str, timeout_s: float = 5.0) -> ApnsSettings:
        """Return settings of an Apple developer at the simulator."""
        return ApnsSettings(
            team_id=self.account.apns_team,
            key_id="KEY1",
            key=SecretStr(key),
            topic="example.bank",
            base_url=self.url,
            timeout_s=timeout_s,
        )

    def web_push(self, *, key: str, timeout_s: float = 5.0) -> WebPushSettings:
        """Return settings of pushes to browsers that have subscribed at the simulator."""
        return WebPushSettings(
            key=SecretStr(key), subject="mailto:it@bank.example", private=True, timeout_s=timeout_s
        )

    def subscribed(self, key: str = "") -> dict[str, Any]:
        """Let a browser subscribe; with a key only its owner may push. Return what it tells."""
        wish = {"application_server_key": key}
        answer = self.http.post("/web-push/subscriptions", json=wish).raise_for_status()
        said: dict[str, Any] = answer.json()
        return said

    def unsubscribed(self, endpoint: str) -> None:
        """Let that browser be gone."""
        name = endpoint.rpartition("/")[2]
        self.http.delete(f"/web-push/subscriptions/{name}").raise_for_status()

    def fcm(self, *, timeout_s: float = 5.0) -> FcmSettings:
        """Return settings of a Firebase project at the simulator."""
        return FcmSettings(
            project=self.account.fcm_project,
            base_url=self.url,
            bearer_token=SecretStr(self.account.fcm_bearer),
            timeout_s=timeout_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxProbe:
    """The running mailbox, with the questions that tests ask of it."""

    url: str
    smtp_port: int
    http: httpx.Client

    def mails(self, to: str = "") -> list[dict[str, Any]]:
        """Return the mails that it keeps, oldest first."""
        answer = self.http.get("/api/messages", params={"to": to}).raise_for_status()
        mails: list[dict[str, Any]] = answer.json()["messages"]
        return mails

    def raw(self, to: str) -> list[bytes]:
        """Return the mails to a recipient as they came, oldest first."""
        return [
            self.http.get(f"/api/messages/{mail['id']}/raw").raise_for_status().content
            for mail in self.mails(to)
        ]

    def attempts(self, to: str) -> int:
        """Count how often somebody began to hand a mail over to this recipient (RCPT)."""
        answer = self.http.get("/api/count", params={"to": to}).raise_for_status()
        return int(answer.json()["attempts"])

    def connections(self) -> int:
        """Count the connections since the start."""
        return int(self.http.get("/api/count").raise_for_status().json()["connections"])

    def fault(self, to: str, **more: object) -> None:
        """Switch a fault on; more: the other fields of `MailFault`."""
        self.http.post("/api/faults", json={"to": to, **more}).raise_for_status()

    def sends_back(self, to: str = "", *, burst: bool = False, **more: object) -> None:
        """Have mails come back, those to come or (`burst`) those there; more: as in `Return`."""
        path = "/api/returns/burst" if burst else "/api/returns"
        self.http.post(path, json={"to": to, **more}).raise_for_status()

    def returned(self) -> dict[str, int]:
        """Count what was `brought` back, what was `lost`, and what is still `under_way`."""
        answer: dict[str, int] = self.http.get("/api/returns/count").raise_for_status().json()
        return answer

    def reset(self) -> None:
        """Forget faults, returns and mails."""
        self.http.delete("/api/returns").raise_for_status()
        self.http.delete("/api/faults").raise_for_status()
        self.http.delete("/api/messages").raise_for_status()

    def smtp(self, *, timeout_s: float = 5.0, connections: int = 2) -> SmtpSettings:
        """Return settings of a relay at the mailbox."""
        return SmtpSettings(
            host="127.0.0.1", port=self.smtp_port, timeout_s=timeout_s, connections=connections
        )


@pytest.fixture(scope="session")
def carrier_process() -> Generator[CarrierProbe]:
    """Run the simulator for the whole test run."""
    with a_carrier() as probe:
        yield probe


@pytest.fixture
def carrier(carrier_process: CarrierProbe) -> CarrierProbe:
    """Return the simulator without faults and with an empty book."""
    carrier_process.reset()
    return carrier_process


@pytest.fixture(scope="session")
def mailbox_process() -> Generator[MailboxProbe]:
    """Run the mailbox for the whole test run."""
    with a_mailbox() as probe:
        yield probe


@pytest.fixture
def mailbox(mailbox_process: MailboxProbe) -> MailboxProbe:
    """Return the mailbox without faults and empty."""
    mailbox_process.reset()
    return mailbox_process


@contextmanager
def a_carrier(
    log: Path | None = None,
    *,
    book: Path | None = None,
    netgsm_push_url: str = "",
    netgsm_iys_refusal: str = "",
) -> Generator[CarrierProbe]:
    """Run a simulator for a block; everything that it logs goes to `log`, its book to `book`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = CarrierSettings(
        book_file=book,
        smpp_port=free_port(),
        netgsm_push_url=netgsm_push_url,
        netgsm_iys_refusal=netgsm_iys_refusal,
    )
    with (
        _running(_CARRIER, port, pickle.dumps(settings).hex(), log=log) as process,
        httpx.Client(base_url=url, timeout=_START_S) as http,
    ):
        _wait_until_healthy(http)
        yield CarrierProbe(url=url, account=settings, http=http, process=process)


@contextmanager
def a_mailbox(log: Path | None = None) -> Generator[MailboxProbe]:
    """Run a mailbox for a block; everything that it logs goes to `log`."""
    smtp_port, http_port = free_port(), free_port()
    url = f"http://127.0.0.1:{http_port}"
    with (
        _running(_MAILBOX, smtp_port, http_port, log=log),
        httpx.Client(base_url=url) as http,
    ):
        _wait_until_healthy(http)
        yield MailboxProbe(url=url, smtp_port=smtp_port, http=http)


@contextmanager
def _running(
    program: str, *words: int | str, log: Path | None
) -> Generator[subprocess.Popen[bytes]]:
    begin = "import logging; logging.basicConfig(level='DEBUG'); " if log else ""
    arguments = [sys.executable, "-c", begin + program, *(str(word) for word in words)]
    with (
        log.open("wb") if log else nullcontext() as sink,
        subprocess.Popen(arguments, stdout=sink, stderr=sink) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def _wait_until_healthy(http: httpx.Client) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            http.get("/healthz").raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
