"""Our mail adapter over encryption: a relay that can prove its name, and one that cannot."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from activities.providers.smtp.email import SmtpEmail
from tellal.clock import SystemClock
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.messages import Answer, OutgoingMessage, Remedy
from tellal.ids import new_id
from tellal.settings import SmtpSettings

LOOPBACK = "127.0.0.1"


def a_mail() -> OutgoingMessage:
    return OutgoingMessage(
        id=new_id(),
        attempt=1,
        channel=Channel.EMAIL,
        message_class=MessageClass.SERVICE,
        lane=Lane.JOURNEYS,
        sender="bilgi@banka.example",
        address="ayse@example.com",
        subject="Merhaba",
        text="Merhaba",
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate of the loopback, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")])
    now = SystemClock().now()
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "relay.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + signed.public_bytes(Encoding.PEM))
    return file


class Keeper:
    """Keeps what came, and whether it came encrypted."""

    def __init__(self) -> None:
        self.encrypted: list[bool] = []

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del session, envelope
        transport = server.transport
        assert transport is not None
        self.encrypted.append(transport.get_extra_info("ssl_object") is not None)
        return "250 2.0.0 OK"


@asynccontextmanager
async def a_relay(keeper: Keeper, certificate: Path, tls: str) -> AsyncGenerator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    later = context if tls == "starttls" else None
    server = await loop.create_server(
        lambda: SMTP(keeper, hostname="relay", tls_context=later, loop=loop),
        LOOPBACK,
        0,
        ssl=context if tls == "implicit" else None,
    )
    async with server:
        port: int = server.sockets[0].getsockname()[1]
        yield port


TLS = [pytest.param("starttls", id="starttls"), pytest.param("implicit", id="implicit")]


@pytest.mark.parametrize("tls", TLS)
async def test_a_relay_that_proves_its_name_gets_the_mail_encrypted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    keeper = Keeper()

    async with a_relay(keeper, certificate, tls) as port:
        sender = SmtpEmail(SmtpSettings(host=LOOPBACK, port=port, tls=tls, timeout_s=5))
        answer = await sender.send(a_mail())
        await sender.close()

    assert answer.answer is Answer.ACCEPTED
    assert keeper.encrypted == [True]


@pytest.mark.parametrize("tls", TLS)
async def test_a_relay_that_cannot_prove_its_name_gets_nothing(certificate: Path, tls: str) -> None:
    keeper = Keeper()

    async with a_relay(keeper, certificate, tls) as port:
        sender = SmtpEmail(SmtpSettings(host=LOOPBACK, port=port, tls=tls, timeout_s=5))
        answer = await sender.send(a_mail())
        await sender.close()

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, Remedy.RETRY)
    assert keeper.encrypted == []
