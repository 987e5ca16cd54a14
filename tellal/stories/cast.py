"""Who plays: three brands with a key each, and the security team that edits a rule file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tellal.clock import SystemClock
from tellal.domain.errors import InvalidInputError
from tellal.persistence.session import make_engine, make_sessions
from tellal.services.brands import create_brand
from tellal.services.keys import Role, Scope, create_key

BANK = "anadolu-bank"
DISTRIBUTOR = "porsuk-edas"
OPERATOR = "marka"
AUTHOR, APPROVER = "ada@porsuk.example", "emre@porsuk.example"
"""Persons of the distributor, each with a key of his own."""

_BRANDS = (
    {
        "name": BANK,
        "trade_name": "Anadolu Bankası A.Ş.",
        "country": "TR",
        "timezone": "Europe/Istanbul",
        "phone": "08500000001",
        "email": "iletisim@anadolu.example",
        "mersis": "0000000000000011",
        "sms_sender": "ANADOLUBANK",
        "email_sender": "Anadolu Bank <bilgi@anadolu.example>",
    },
    {
        "name": DISTRIBUTOR,
        "trade_name": "Porsuk Elektrik Dağıtım A.Ş.",
        "country": "TR",
        "timezone": "Europe/Istanbul",
        "phone": "186",
        "email": "iletisim@porsuk.example",
        "mersis": "0000000000000022",
        "sms_sender": "PORSUKEDAS",
        "email_sender": "Porsuk EDAŞ <bilgi@porsuk.example>",
    },
    {
        "name": OPERATOR,
        "trade_name": "Marka İletişim A.Ş.",
        "country": "TR",
        "timezone": "Europe/Istanbul",
        "phone": "08500000003",
        "email": "iletisim@marka.example",
        "mersis": "0000000000000033",
        "sms_sender": "MARKA",
        "email_sender": "Marka <bilgi@marka.example>",
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The keys by brand and by person, and the folder of rule files that the product team edits."""

    keys: Mapping[str, str]
    rulebook: Path

    async def raise_version(self, topic: str) -> None:
        """Raise the content version of a topic in its rule file, as its author would.

        Raises:
            InvalidInputError: No rule file declares a content version of the topic.
        """
        pattern = re.compile(
            rf"(- id: {topic}\n(?:(?!\n *- id:).)*?content_version: )(\d+)", re.DOTALL
        )
        for path in sorted(self.rulebook.glob("*.yaml")):
            text = path.read_text(encoding="utf-8")
            edited, count = pattern.subn(lambda m: f"{m[1]}{int(m[2]) + 1}", text, count=1)
            if count:
                path.write_text(edited, encoding="utf-8")
                return
        raise InvalidInputError(f"no rule file declares a content version of {topic!r}")


async def gather_ensemble(database_url: str, rulebook: Path) -> Ensemble:
    """Create the brands and their keys, as an operator would with `tellal brands create`."""
    engine = make_engine(database_url, pool=1)
    keys: dict[str, str] = {}
    now = SystemClock().now()
    async with make_sessions(engine)() as tx, tx.begin():
        for new in _BRANDS:
            brand = await create_brand(tx, **new, now=now)
            _, keys[brand.name] = await create_key(tx, brand.id, "story", Scope, now=now)
            if brand.name == DISTRIBUTOR:
                for person, role in ((AUTHOR, Role.AUTHOR), (APPROVER, Role.APPROVER)):
                    _, keys[person] = await create_key(
                        tx, brand.id, person, (), now=now, person=person, roles=[role]
                    )
    await engine.dispose()
    return Ensemble(keys=keys, rulebook=rulebook)
