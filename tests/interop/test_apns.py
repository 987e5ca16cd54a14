"""Apple's protocol with what others wrote: hypercorn's HTTP/2 over TLS, and the client aioapns."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from aioapns import APNs, NotificationRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypercorn.asyncio import serve
from hypercorn.config import Config
from pydantic import SecretStr

from activities.providers.apns_push import ApnsPush
from tellal.carrier.app import create_carrier
from tellal.carrier.settings import CarrierSettings
from tellal.domain.messages import Answer, Remedy
from tellal.settings import ApnsSettings
from tests.providers.test_apns_push import ADDRESS, DEVICE, KEY, PUBLIC, a_push
from tests.support.carrier import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.interop


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Make a certificate of the loopback's own, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain, private


@asynccontextmanager
async def apple(certificate: tuple[Path, Path]) -> AsyncIterator[tuple[str, int]]:
    """Let hypercorn serve our simulator over HTTP/2 and TLS; it knows the key that signs."""
    public = PUBLIC.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    port, over = free_port(), asyncio.Event()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.certfile, config.keyfile = map(str, certificate)
    config.alpn_protocols = ["h2"]
    app = create_carrier(CarrierSettings(apns_team="TEAM1", apns_key=public))
    running = asyncio.create_task(serve(app, config, shutdown_trigger=over.wait))  # type: ignore[arg-type]  # FastAPI is an ASGI application

    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=_trusting(certificate[0])
            )
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    await until(answers)
    try:
        yield "127.0.0.1", port
    finally:
        over.set()
        await running


def _trusting(chain: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(chain))


async def test_our_adapter_speaks_http_2_to_hypercorn(certificate: tuple[Path, Path]) -> None:
    async with apple(certificate) as (host, port):
        settings = ApnsSettings(
            team_id="TEAM1",
            key_id="KEY1",
            key=SecretStr(KEY),
            topic="example.bank",
            base_url=f"https://{host}:{port}",
        )
        push = ApnsPush(settings, trusted=_trusting(certificate[0]))
        answers = await asyncio.gather(*(push.send(a_push()) for _ in range(50)))
        wrong = await push.send(a_push(address="apns:" + "0" * 63))
        long = await push.send(a_push(text="x" * 5000))
        await push.close()
        async with httpx.AsyncClient(
            http1=False, http2=True, verify=_trusting(certificate[0])
        ) as asking:
            address = f"https://{host}:{port}/_carrier/book"
            book = await asking.get(address, params={"to": ADDRESS})

    assert {one.answer for one in answers} == {Answer.ACCEPTED}
    assert (book.http_version, len(book.json()["entries"])) == ("HTTP/2", 50)
    assert (wrong.code, wrong.remedy) == ("BadDeviceToken", Remedy.BAD_ADDRESS)
    assert long.code == "PayloadTooLarge"
    print("hypercorn: 50 pushes over HTTP/2 and TLS, each signed with ES256, each taken once")  # noqa: T201 - shown by `make interop`


async def test_the_client_aioapns_understands_our_simulator(
    certificate: tuple[Path, Path],
) -> None:
    async with apple(certificate) as (host, port):
        trusting = _trusting(certificate[0])
        trusting.set_alpn_protocols(["h2"])
        client = APNs(
            key=KEY, key_id="KEY1", team_id="TEAM1", topic="example.bank", ssl_context=trusting
        )
        ours = {"APNS_SERVER": host, "APNS_PORT": port}
        client.pool.protocol_class = type("Ours", (client.pool.protocol_class,), ours)
        alert = {"aps": {"alert": {"title": "Güvenlik", "body": "Şifre"}}}
        taken = await client.send_notification(
            NotificationRequest(device_token=DEVICE, message=alert)
        )
        refused = await client.send_notification(
            NotificationRequest(device_token="0" * 63, message=alert)
        )
        async with httpx.AsyncClient(
            http1=False,
            http2=True,
            verify=_trusting(certificate[0]),
            base_url=f"https://{host}:{port}",
        ) as asking:
            fault = {"fault": "error", "code": "Unregistered", "match": {"provider": "apns"}}
            await asking.post("/_carrier/faults", json=fault)
            dead = await client.send_notification(
                NotificationRequest(device_token=DEVICE, message=alert)
            )
            [entry] = (await asking.get("/_carrier/book")).json()["entries"]
        for one in client.pool.connections:
            one.close()

    assert (taken.is_successful, entry["title"], entry["to"]) == (True, "Güvenlik", ADDRESS)
    assert (refused.status, refused.description) == ("400", "BadDeviceToken")
    assert (dead.status, dead.description) == ("410", "Unregistered")
    print("aioapns: one push taken, a wrong token and a dead one refused in Apple's words")  # noqa: T201 - as above
