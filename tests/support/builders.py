"""Brands and customers for tests, with defaults; say only what the test is about."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow, CustomerRow

LONG_AGO = datetime(2026, 1, 5, 9, tzinfo=UTC)


async def a_brand(tx: AsyncSession, name: str = "anadolu-bank") -> Brand:
    brand = Brand(
        id=new_id(),
        name=name,
        trade_name="Anadolu Bankası A.Ş.",
        country="TR",
        timezone="Europe/Istanbul",
        phone="08500000001",
        email="iletisim@anadolu.example",
        mersis="0000000000000011",
        sms_sender="ANADOLUBANK",
        email_sender="bilgi@anadolu.example",
    )
    values = {name: getattr(brand, name) for name in brand.__slots__}
    await tx.execute(insert(table(BrandRow)).values(**values, created_at=LONG_AGO))
    return brand


async def a_customer(
    tx: AsyncSession,
    brand: Brand,
    ref: str = "ayse",
    *,
    contacts: Mapping[Channel, str] | None = None,
    facts: Mapping[str, object] | None = None,
    consents: Mapping[Channel, str] | None = None,
    locale: str = "tr-TR",
    timezone: str = "Europe/Istanbul",
    kind: str = "individual",
) -> str:
    customer_id = new_id()
    await tx.execute(
        insert(table(CustomerRow)).values(
            id=customer_id,
            brand_id=brand.id,
            ref=ref,
            kind=kind,
            locale=locale,
            timezone=timezone,
            country="TR",
            first_name="",
            facts=dict(facts or {}),
            created_at=LONG_AGO,
            updated_at=LONG_AGO,
        )
    )
    addresses = {Channel.SMS: "+905320000101"} if contacts is None else contacts
    for channel, address in addresses.items():
        await tx.execute(
            insert(table(ContactPointRow)).values(
                id=new_id(),
                brand_id=brand.id,
                customer_id=customer_id,
                channel=channel.value,
                address=address,
                bad_reason="",
                created_at=LONG_AGO,
            )
        )
    for channel, state in (consents or {}).items():
        await tx.execute(
            insert(table(ConsentRow)).values(
                id=new_id(),
                brand_id=brand.id,
                customer_id=customer_id,
                channel=channel.value,
                state=state,
                source="branch",
                evidence={},
                recorded_at=LONG_AGO,
            )
        )
    return customer_id
