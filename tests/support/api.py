"""The real application on a real database; every test gets brands and keys of its own."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from psycopg import sql
from pydantic import SecretStr

from api.app import create_app
from api.state import Desk
from tellal.domain.customers import Brand
from tellal.ids import new_id
from tellal.persistence.session import Sessions
from tellal.services.brands import create_brand
from tellal.services.keys import ApiKey, Scope, create_key
from tellal.services.receipt_inbox import InboxWork
from tellal.settings import (
    FcmSettings,
    NetgsmSettings,
    Settings,
    SmtpSettings,
    TwilioSettings,
    WebPushSettings,
)
from tellal.stack.postgres import Postgres
from tests.support.bounces import SETTINGS as BOUNCES
from tests.support.house import SetClock

WEB_PUSH_KEY = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    .decode()
)
PUBLIC_URL = "https://tellal.example"
TWILIO_TOKEN = "the-account's-token"
NETGSM_SECRET = "known-to-netgsm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The application at work."""

    app: FastAPI
    clock: SetClock
    settings: Settings

    @property
    def desk(self) -> Desk:
        desk: Desk = self.app.state.desk
        return desk

    @property
    def sessions(self) -> Sessions:
        return self.desk.sessions

    async def work_receipts_in(self) -> int:
        """Do what a worker does with the receipts that the API has kept."""
        return await InboxWork(self.sessions, self.clock, self.desk.receipts).work()

    def client(self, token: str = "") -> httpx.AsyncClient:
        """Make a client; without a token it is a stranger's."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, raise_app_exceptions=False),
            base_url="http://tellal",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A brand with a key that may do everything, and a client that holds it."""

    brand: Brand
    key: ApiKey
    token: str
    client: httpx.AsyncClient


class Tenants:
    """Makes brands, and closes their clients at the end."""

    def __init__(self, served: Served, held: AsyncExitStack) -> None:
        self._served = served
        self._held = held

    async def make(self, name: str, scopes: Iterable[Scope] = tuple(Scope)) -> Tenant:
        now = self._served.clock.now()
        async with self._served.sessions() as tx, tx.begin():
            brand = await create_brand(
                tx,
                name=f"{name}-{new_id().lower()[-8:]}",
                trade_name="Deneme A.Ş.",
                phone="08500000001",
                email="iletisim@deneme.example",
                mersis="0000000000000011",
                now=now,
            )
            key, token = await create_key(tx, brand.id, "crm", scopes, now=now)
        client = await self._held.enter_async_context(self._served.client(token))
        return Tenant(brand=brand, key=key, token=token, client=client)


@pytest.fixture(scope="session")
async def _application(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    server = postgres.url_of("postgres").replace("+psycopg", "")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE served TEMPLATE migrated"))
    clock = SetClock()
    settings = Settings(
        database_url=SecretStr(postgres.url_of("served")),
        public_url=PUBLIC_URL,
        twilio=TwilioSettings(account_sid="AC1", auth_token=SecretStr(TWILIO_TOKEN)),
        netgsm=NetgsmSettings(callback_secret=SecretStr(NETGSM_SECRET)),
        smtp=SmtpSettings(host="localhost", bounces=BOUNCES),
        fcm=FcmSettings(project="deneme"),
        web_push=WebPushSettings(key=SecretStr(WEB_PUSH_KEY), subject="mailto:it@bank.example"),
        unsubscribe_secret=SecretStr("rehearsal"),
        status_fresh_s=0,
        web_forms=tmp_path_factory.mktemp("forms"),
        webhooks_private=True,
    )
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        yield Served(app=app, clock=clock, settings=settings)


@pytest.fixture
def served(_application: Served) -> Served:
    """The application; what a test does to the clock is undone for the next."""
    _application.clock.at = SetClock().at
    return _application


@pytest.fixture
async def tenants(served: Served) -> AsyncIterator[Tenants]:
    """Brands for this test."""
    async with AsyncExitStack() as held:
        yield Tenants(served, held)


@pytest.fixture
async def bank(tenants: Tenants) -> Tenant:
    return await tenants.make("bank")


@pytest.fixture
async def distributor(tenants: Tenants) -> Tenant:
    return await tenants.make("distributor")


async def put_customer(tenant: Tenant, ref: str = "ayse", **said: object) -> None:
    """Have a brand tell of a customer, by default one with a mobile number."""
    body = {
        "locale": "tr-TR",
        "contacts": [{"channel": "sms", "address": "0532 000 01 01"}],
        **said,
    }
    answer = await tenant.client.put(f"/v1/customers/{ref}", json=body)
    assert answer.status_code == 200, answer.text


async def log_in(tenant: Tenant, ref: str = "ayse", **data: object) -> dict[str, Any]:
    """Have a customer log in, by default where no banner can be shown."""
    said = {"method": "password", "surface": "web", "can_show_banner": False, **data}
    body = {"customer": ref, "type": "login", "data": said}
    answer = await tenant.client.post("/v1/events", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def open_case(tenant: Tenant, ref: str = "ayse") -> dict[str, Any]:
    """Open a case over the web form."""
    body = {"customer": ref, "channel": "web", "subject": "The meter shows too much"}
    answer = await tenant.client.post("/v1/cases", json=body)
    assert answer.status_code == 201, answer.text
    case: dict[str, Any] = answer.json()
    return case


async def declare_outage(tenant: Tenant) -> dict[str, Any]:
    """Declare an outage in one district."""
    body = {
        "title": "Transformer failure in Tepebaşı",
        "segment": {"customer.district": "tepebasi"},
        "variables": {
            "area": "Tepebaşı",
            "expected_end": "18:30",
            "workaround": "186'yı arayın.",
            "hotline": "186",
        },
        "anyway": True,
    }
    answer = await tenant.client.post("/v1/outages", json=body)
    assert answer.status_code == 201, answer.text
    outage: dict[str, Any] = answer.json()
    return outage
