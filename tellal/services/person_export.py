"""Hands out everything that is held about a person: one JSON document and a README, as a ZIP.

Officers are third persons, whose names stay out of it (E19).
"""

import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.customers import Brand
from tellal.persistence.people import find_customer
from tellal.services.held import HOLDINGS, Holding

FORMAT = "tellal-person-1"
DOCUMENT, README = "person.json", "README.txt"

_READMES: Mapping[str, str] = {
    "tr": """{brand} sizinle ilgili tuttuğu her şeyi bu dosyada veriyor ({day}).

person.json bir metin dosyasıdır: adresleriniz, izinleriniz ve retleriniz, size gönderilen
iletiler ve metinleri, hakkınızda verilen kararlar ve nedenleri, başvuru ve şikayetleriniz.
Çalışanlarımızın adları, üçüncü kişi oldukları için yer almaz.

Haklarınız (KVKK madde 11, GDPR madde 15-20): düzeltme, silme, itiraz.
Bize yazın: {email}, {phone}.
""",
    "pl": """{brand} przekazuje w tym pliku wszystko, co przechowuje na Twój temat ({day}).

person.json to plik tekstowy: adresy, zgody i sprzeciwy, wysłane wiadomości z treścią, decyzje
i ich powody, sprawy i skargi. Nazwisk pracowników nie ma, bo są osobami trzecimi.

Twoje prawa (RODO, art. 15-20): sprostowanie, usunięcie, sprzeciw.
Napisz do nas: {email}, {phone}.
""",
    "en": """{brand} hands you everything that it holds about you in this file ({day}).

person.json is a text file: your addresses, what you agreed to and refused, the messages sent to
you with their texts, what was decided about you and why, your cases and complaints.
The names of our staff are left out, because they are third persons.

Your rights (GDPR articles 15 to 20, KVKK article 11): to have it corrected or erased, to object.
Write to us: {email}, {phone}.
""",
}


async def export_person(tx: AsyncSession, brand: Brand, ref: str, clock: Clock) -> bytes:
    """Write everything that a brand holds about a customer as a ZIP.

    Raises:
        NotFoundError: The brand has no such customer.
    """
    customer = await find_customer(tx, brand.id, ref)
    now = clock.now().astimezone(UTC)
    held = {holding.name: await _rows(tx, holding, customer.id) for holding in HOLDINGS}
    document = {
        "format": FORMAT,
        "brand": brand.trade_name,
        "customer": ref,
        "made_at": now.isoformat(),
        "held": held,
    }
    words = json.dumps(document, ensure_ascii=False, indent=2, default=_written)
    return _zipped({DOCUMENT: words, README: readme(brand, customer.locale, now)}, now)


def readme(brand: Brand, locale: str, at: datetime) -> str:
    """Say in a person's language what the file is; in English if we have none of his."""
    words = _READMES.get(locale.lower().partition("-")[0], _READMES["en"])
    return words.format(
        brand=brand.trade_name, email=brand.email, phone=brand.phone, day=f"{at:%Y-%m-%d}"
    )


async def _rows(tx: AsyncSession, holding: Holding, customer_id: str) -> list[dict[str, object]]:
    rows = holding.table
    keys = list(rows.primary_key.columns)
    query = select(rows).where(holding.whose(customer_id)).order_by(*keys)
    return [_shown(row, holding) for row in await tx.execute(query)]


def _shown(row: Row[Any], holding: Holding) -> dict[str, object]:
    return {
        name: value
        for name, value in row._mapping.items()  # noqa: SLF001 - SQLAlchemy's public name of it
        if name not in holding.staff
    }


def _written(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)


def _zipped(files: Mapping[str, str], at: datetime) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, words in files.items():
            entry = zipfile.ZipInfo(name, at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, words)
    return out.getvalue()
