"""Refusals by one click and signatures: what the relay really got, judged by dkimpy's check."""

import base64
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st
from pydantic import ValidationError

from activities.providers.smtp.email import SmtpEmail
from activities.providers.smtp.signing import Dkim
from activities.providers.smtp.writing import write
from tellal.clock import SystemClock
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import Answer, OutgoingMessage, Remedy
from tellal.ids import new_id
from tellal.settings import DkimSettings, SmtpSettings
from tests.support.carrier import MailboxProbe

TO = "ayse@example.com"
DOMAIN, SELECTOR = "banka.example", "tellal1"
REFUSE = "https://tellal.example/v1/unsubscribe/" + "Zx9-_" * 30
BOTH = ("List-Unsubscribe", "List-Unsubscribe-Post")

Key = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
KEYS: dict[str, Key] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def a_mail(**changes: str | int) -> OutgoingMessage:
    message = OutgoingMessage(
        id=new_id(),
        attempt=1,
        channel=Channel.EMAIL,
        message_class=MessageClass.COMMERCIAL,
        lane=Lane.BULK,
        sender="Örnek Bankası <bilgi@banka.example>",
        address=TO,
        subject="Güvenliğiniz için yeni bir şey söylüyoruz, ve konu bir satırdan uzun olabilir",
        text="Merhaba  Ayşe,\n.\n  İki boşlukla başlayan satır \n\n\n",
        html="<p>Merhaba\t<b>Ayşe</b></p>",
        unsubscribe_url=REFUSE,
    )
    return replace(message, **changes)  # type: ignore[arg-type]  # the names are checked at run time


def written_to(file: Path, key: Key | ec.EllipticCurvePrivateKey, password: bytes = b"") -> Path:
    lock: KeySerializationEncryption = (
        BestAvailableEncryption(password) if password else NoEncryption()
    )
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    return file


def published(kind: str) -> Callable[..., bytes]:
    """Return DNS as a verifier sees it: the record of this key, and nothing else."""
    public = KEYS[kind].public_key()
    form = (
        (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if kind == "rsa"
        else (Encoding.Raw, PublicFormat.Raw)
    )
    record = b"v=DKIM1; k=" + kind.encode() + b"; p=" + base64.b64encode(public.public_bytes(*form))

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        del timeout
        return record if name == f"{SELECTOR}._domainkey.{DOMAIN}.".encode() else b""

    return look_up


def is_genuine(raw: bytes, kind: str) -> bool:
    return bool(dkim.verify(raw, dnsfunc=published(kind)))


def signed_names(raw: bytes) -> list[str]:
    value = str(message_from_bytes(raw)["DKIM-Signature"])
    found = re.search(r"\bh=([^;]*);", value)
    assert found is not None
    return [name.strip() for name in found[1].split(":")]


@pytest.fixture(params=[pytest.param(kind, id=kind) for kind in KEYS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dkim_settings(kind: str, tmp_path: Path) -> DkimSettings:
    file = written_to(tmp_path / "dkim.pem", KEYS[kind])
    return DkimSettings(domain=DOMAIN, selector=SELECTOR, key_file=file)


@pytest.fixture
async def email(mailbox: MailboxProbe, dkim_settings: DkimSettings) -> AsyncGenerator[SmtpEmail]:
    sender = SmtpEmail(mailbox.smtp(timeout_s=1).model_copy(update={"dkim": dkim_settings}))
    yield sender
    await sender.close()


async def test_what_the_relay_got_is_signed_with_both_headers_of_refusal(
    email: SmtpEmail, mailbox: MailboxProbe, kind: str
) -> None:
    answer = await email.send(a_mail())

    [raw] = mailbox.raw(TO)
    mail = message_from_bytes(raw)
    assert answer.answer is Answer.ACCEPTED
    assert is_genuine(raw, kind)
    assert mail["List-Unsubscribe"] == f"<{REFUSE}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert {name.lower() for name in BOTH} < set(signed_names(raw))
    assert {"from", "to", "subject", "date", "message-id", "content-type"} < set(signed_names(raw))
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))


async def test_a_mail_that_nobody_can_refuse_has_neither_header(
    email: SmtpEmail, mailbox: MailboxProbe, kind: str
) -> None:
    await email.send(a_mail(unsubscribe_url="", html=""))

    [raw] = mailbox.raw(TO)
    assert is_genuine(raw, kind)
    assert not any(name in message_from_bytes(raw) for name in BOTH)
    assert not {name.lower() for name in BOTH} & set(signed_names(raw))


async def test_without_a_key_the_headers_are_there_and_no_signature(mailbox: MailboxProbe) -> None:
    sender = SmtpEmail(mailbox.smtp())

    await sender.send(a_mail())
    await sender.close()

    [raw] = mailbox.raw(TO)
    assert all(name in message_from_bytes(raw) for name in BOTH)
    assert "DKIM-Signature" not in message_from_bytes(raw)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"Merhaba", b"Elveda!", id="text"),
        pytest.param(b"tellal.example/v1", b"crooks.example/v1", id="address of refusal"),
        pytest.param(b"=One-Click", b"=Two-Click", id="one click"),
        pytest.param(b"List-Unsubscribe-Post: ", b"X-Gone: ", id="one click taken away"),
        pytest.param(b"ayse@example.com", b"eve@example.com", id="recipient"),
        pytest.param(b"MIME-Version", b"From: Eve <eve@e.example>\r\nMIME-Version", id="two From"),
        pytest.param(b"MIME-Version", b"Subject: Win\r\nMIME-Version", id="two subjects"),
    ],
)
async def test_whoever_changes_a_mail_breaks_its_signature(
    email: SmtpEmail, mailbox: MailboxProbe, kind: str, old: bytes, new: bytes
) -> None:
    await email.send(a_mail())

    [raw] = mailbox.raw(TO)
    assert old in raw
    assert is_genuine(raw, kind)
    assert not is_genuine(raw.replace(old, new, 1), kind)


async def test_a_relay_may_fold_lines_and_add_headers_of_its_own(
    email: SmtpEmail, mailbox: MailboxProbe, kind: str
) -> None:
    await email.send(a_mail())

    [raw] = mailbox.raw(TO)
    passed_on = b"Received: from here\r\n" + raw.replace(
        b"List-Unsubscribe: <", b"List-Unsubscribe:\r\n\t<"
    )
    assert is_genuine(passed_on + b"\r\n\r\n", kind)


async def test_every_attempt_is_signed_and_bears_the_same_name(
    email: SmtpEmail, mailbox: MailboxProbe, kind: str
) -> None:
    message = a_mail()
    mailbox.fault(TO, hang_after_data=True, times=1)

    first = await email.send(message)
    second = await email.send(replace(message, attempt=2))

    mails = mailbox.raw(TO)
    assert (first.answer, second.answer) == (Answer.AMBIGUOUS, Answer.ACCEPTED)
    assert [is_genuine(raw, kind) for raw in mails] == [True, True]
    assert {message_from_bytes(raw)["Message-ID"] for raw in mails} == {second.reference}
    assert email.receipts is Receipts.BOUNCE_ONLY


@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    subject=st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=200),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    html=st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)
def test_whatever_a_mail_says_its_signature_holds(
    dkim_settings: DkimSettings, kind: str, subject: str, text: str, html: str
) -> None:
    now = SystemClock().now()

    raw = Dkim(dkim_settings).sign(
        write(a_mail(subject=subject, text=text, html=html), now).raw, now
    )

    assert is_genuine(raw, kind)


async def test_over_http_a_reader_is_shown_the_page_and_no_click_refuses(
    mailbox: MailboxProbe,
) -> None:
    # RFC 8058 demands https for one click; RFC 2369 does not for the page.
    sender = SmtpEmail(mailbox.smtp())

    await sender.send(a_mail(unsubscribe_url="http://127.0.0.1:8000/v1/unsubscribe/x"))
    await sender.close()

    [raw] = mailbox.raw(TO)
    assert [name in message_from_bytes(raw) for name in BOTH] == [True, False]


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://tellal.example/x>\r\nBcc: eve@e.example", id="line break"),
        pytest.param("https://tellal.example/x>,<mailto:eve@e.example", id="another address"),
        pytest.param("https://tellal.example/ş", id="not ASCII"),
        pytest.param("javascript:alert(1)", id="another scheme"),
        pytest.param("https:///x", id="no host"),
        pytest.param("https://tellal.example/" + "x" * 1000, id="longer than a line"),
    ],
)
async def test_an_address_of_refusal_that_is_none_stops_the_mail(
    mailbox: MailboxProbe, url: str
) -> None:
    sender = SmtpEmail(mailbox.smtp())

    answer = await sender.send(a_mail(unsubscribe_url=url))
    await sender.close()

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, Remedy.NEXT_CHANNEL)
    assert mailbox.attempts("") == 0


def no_file(folder: Path) -> Path:
    return folder / "absent.pem"


def no_key(folder: Path) -> Path:
    file = folder / "dkim.pem"
    file.write_text("not a key", encoding="ascii")
    return file


def another_key(folder: Path) -> Path:
    return written_to(folder / "dkim.pem", ec.generate_private_key(ec.SECP256R1()))


def locked_key(folder: Path) -> Path:
    return written_to(folder / "dkim.pem", KEYS["ed25519"], b"secret")


def public_key(folder: Path) -> Path:
    file = folder / "dkim.pem"
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file.write_bytes(KEYS["rsa"].public_key().public_bytes(*form))
    return file


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(no_file, "cannot be read: No such file", id="no file"),
        pytest.param(no_key, "holds no private key", id="no key"),
        pytest.param(public_key, "holds no private key", id="public key"),
        pytest.param(another_key, "neither RSA nor Ed25519", id="elliptic curve"),
        pytest.param(locked_key, "locked with a password", id="locked"),
        pytest.param(lambda folder: folder, "cannot be read: Is a directory", id="folder"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_at_the_start(
    tmp_path: Path, make: Callable[[Path], Path], why: str
) -> None:
    settings = DkimSettings(domain=DOMAIN, selector=SELECTOR, key_file=make(tmp_path))

    with pytest.raises(InvalidInputError, match=why) as refused:
        SmtpEmail(SmtpSettings(host="127.0.0.1", dkim=settings))

    assert refused.value.field == "TELLAL_SMTP__DKIM__KEY_FILE"


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"domain": DOMAIN}, id="domain alone"),
        pytest.param({"domain": DOMAIN, "selector": SELECTOR}, id="no key"),
        pytest.param({"key_file": Path("dkim.pem")}, id="key alone"),
        pytest.param(
            {"domain": "a; b", "selector": SELECTOR, "key_file": Path("dkim.pem")}, id="no domain"
        ),
    ],
)
def test_half_a_signature_is_a_wrong_setting(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DkimSettings.model_validate(given)
