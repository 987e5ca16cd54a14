"""A brand and a key for whoever tries things out with `tellal dev`."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from tellal.cli.transaction import in_transaction
from tellal.clock import SystemClock
from tellal.domain.customers import Brand
from tellal.domain.errors import NotFoundError
from tellal.services.brands import create_brand, find_brand
from tellal.services.keys import Scope, create_key, identify, list_keys, revoke_key

_BRAND = "demo"
_KEY = "dev"


def key_in(file: Path, database_url: str) -> str:
    """Return the key in the file if it still works, else a new one, which the file then holds."""
    kept = file.read_text().strip() if file.exists() else ""
    token = in_transaction(database_url, lambda tx: _working_key(tx, kept))
    file.touch(mode=0o600)
    file.write_text(token)
    return token


async def _working_key(tx: AsyncSession, kept: str) -> str:
    now = SystemClock().now()
    if kept and await identify(tx, kept, now=now):
        return kept
    brand = await _brand(tx)
    for key in await list_keys(tx, brand.id):
        if key.name == _KEY and key.works(now):
            await revoke_key(tx, brand.id, key.id, now=now)
    await tx.flush()
    _, token = await create_key(tx, brand.id, _KEY, list(Scope), now=now)
    return token


async def _brand(tx: AsyncSession) -> Brand:
    try:
        return await find_brand(tx, _BRAND)
    except NotFoundError:
        now = SystemClock().now()
        return await create_brand(
            tx,
            name=_BRAND,
            trade_name="Demo A.Ş.",
            now=now,
            phone="0850 000 00 00",
            email="demo@example.com",
            mersis="0000000000000000",
            sms_sender="DEMO",
        )
