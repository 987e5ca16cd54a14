"""The evidence of consents as an inspector gets it: of a person, or of a period.

Every record comes with its salt and its link of the chain, so that the inspector can compute its
seal himself; `check_evidence` does, and needs no database.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.chains import Link, seal
from tellal.domain.channels import RecipientType
from tellal.domain.consent_seals import (
    CONSENT,
    ERASURE,
    consent_link,
    core_of,
    digest_of,
    tombstone,
)
from tellal.domain.consents import ConsentChannel, ConsentRecord, Delegation
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.errors import InvalidInputError
from tellal.persistence.columns import table
from tellal.persistence.consents import to_record
from tellal.persistence.people import find_customer_id
from tellal.persistence.tables.customers import ConsentChainRow, ConsentRow, CustomerRow
from tellal.services.bundles import Opened, pack, unpack
from tellal.services.senders import sender_profile

RECORDS, SENDER = "records.jsonl", "sender.json"

_consents = table(ConsentRow)
_chain = table(ConsentChainRow)
_customers = table(CustomerRow)

_PAGE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose evidence: a person's by the brand's name for him, or what was given in a period."""

    customer: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a look into a bundle gave."""

    brand: str
    records: int
    unsealed: int
    signer: str
    faults: tuple[str, ...]


async def bundle_evidence(
    tx: AsyncSession, brand: Brand, wanted: Wanted, *, key: Ed25519PrivateKey, clock: Clock
) -> bytes:
    """Write the evidence of a person or a period as a signed bundle.

    Raises:
        NotFoundError: The brand has no such customer.
        InvalidInputError: Neither a person nor a period is named.
    """
    files, about = await evidence_files(tx, brand, wanted, clock=clock)
    return pack(files, about, key)


async def evidence_files(
    tx: AsyncSession, brand: Brand, wanted: Wanted, *, clock: Clock
) -> tuple[dict[str, bytes], dict[str, object]]:
    """Return the files of a bundle, and what its manifest says of them.

    Raises:
        NotFoundError: The brand has no such customer.
        InvalidInputError: Neither a person nor a period is named.
    """
    condition = await _condition(tx, brand, wanted)
    lines = [_json(line) async for line in _lines(tx, brand.id, condition)]
    sender = asdict(await sender_profile(tx, brand))
    about: dict[str, object] = {
        "brand": brand.name,
        "made_at": clock.now().astimezone(UTC).isoformat(),
        "customer": wanted.customer,
        "since": wanted.since.isoformat() if wanted.since else "",
        "until": wanted.until.isoformat() if wanted.until else "",
        "records": len(lines),
        "head": await _head(tx, brand.id),
    }
    files = {RECORDS: b"".join(line + b"\n" for line in lines), SENDER: _json(sender) + b"\n"}
    return files, about


def check_evidence(content: bytes, trusted: Ed25519PublicKey | None = None) -> Evidence:
    """Look whether a bundle is as it was signed, and each record as it was sealed.

    Raises:
        InvalidInputError: It is no bundle of evidence at all.
    """
    opened = unpack(content, trusted)
    found = list(opened.faults)
    lines = opened.files.get(RECORDS, b"").splitlines()
    unsealed = 0
    for line in lines:
        try:
            said = json.loads(line)
            unsealed += said["link"] is None
            found += _line_faults(said)
        except (ValueError, KeyError, TypeError) as error:
            if not found:
                raise InvalidInputError("a record of the bundle cannot be read") from error
    if not found and opened.manifest.get("records") != len(lines):
        found.append("there are not as many records as the manifest says")
    return Evidence(
        brand=_word(opened, "brand"),
        records=len(lines),
        unsealed=unsealed,
        signer=opened.signer,
        faults=tuple(found),
    )


async def _condition(tx: AsyncSession, brand: Brand, wanted: Wanted) -> ColumnElement[bool]:
    if wanted.customer:
        customer_id = await find_customer_id(tx, brand.id, wanted.customer)
        return _consents.c.customer_id == customer_id
    if wanted.since is None or wanted.until is None or wanted.since >= wanted.until:
        raise InvalidInputError(
            "neither a person nor a period is named",
            hint="name a customer, or since and until (which lies after it)",
        )
    return and_(_consents.c.given_at >= wanted.since, _consents.c.given_at < wanted.until)


async def _lines(
    tx: AsyncSession, brand_id: str, condition: ColumnElement[bool]
) -> AsyncIterator[dict[str, object]]:
    links = func.jsonb_object_agg(_chain.c.action, func.to_jsonb(_chain.table_valued()))
    of_consent = (
        select(links)
        .where(_chain.c.consent_id == _consents.c.id, _chain.c.brand_id == _consents.c.brand_id)
        .scalar_subquery()
    )
    query = (
        select(_consents, _customers.c.ref.label("customer_ref"), of_consent.label("links"))
        .join(_customers, _customers.c.id == _consents.c.customer_id)
        .where(_consents.c.brand_id == brand_id, condition)
        .order_by(_consents.c.id)
        .limit(_PAGE)
    )
    last = ""
    while True:
        rows = (await tx.execute(query.where(_consents.c.id > last))).all()
        for row in rows:
            sealed = row.links or {}
            yield {
                "customer": row.customer_ref,
                "consent": _written(to_record(row)),
                "link": sealed.get(CONSENT),
                "tombstone": sealed.get(ERASURE),
            }
        if len(rows) < _PAGE:
            return
        last = rows[-1].id


async def _head(tx: AsyncSession, brand_id: str) -> str:
    query = select(_chain.c.hash).where(_chain.c.brand_id == brand_id)
    found = (await tx.execute(query.order_by(_chain.c.seq.desc()).limit(1))).scalar_one_or_none()
    return str(found or "")


def _line_faults(said: Mapping[str, Any]) -> list[str]:
    """Compute the seals of a record anew."""
    record = _read(said["consent"])
    written = said["link"]
    if written is None:
        return []
    name = f"consent {record.id}"
    link = _link(written)
    if seal(link.previous, link.record) != link.hash or link.record.subject != record.id:
        return [f"the seal of {name} is not its own"]
    if core_of(record) != written["core"]:
        return [f"{name} is not what was sealed"]
    if record.erased_at is None and digest_of(record, record.salt) != written["digest"]:
        return [f"the evidence of {name} is not what was sealed"]
    stone = said["tombstone"]
    if stone is not None:
        grave = _link(stone)
        if seal(grave.previous, grave.record) != grave.hash or grave.record.subject != record.id:
            return [f"the tombstone of {name} is not its own"]
    return []


def _link(written: Mapping[str, Any]) -> Link:
    at = datetime.fromisoformat(written["at"])
    record = (
        tombstone(written["seq"], at, written["consent_id"], written["who"])
        if written["action"] == ERASURE
        else consent_link(
            written["seq"], at, written["consent_id"], written["core"], written["digest"]
        )
    )
    return Link(record=record, previous=written["previous"], hash=written["hash"])


def _written(record: ConsentRecord) -> dict[str, object]:
    """Write a record as JSON; instants in UTC."""
    said = asdict(record)
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in said.items()
    }


def _read(said: Mapping[str, Any]) -> ConsentRecord:
    """Read what `_written` wrote."""
    instants = ("given_at", "recorded_at", "valid_until", "erased_at")
    times = {name: datetime.fromisoformat(said[name]) if said[name] else None for name in instants}
    delegation = said["delegation"]
    return ConsentRecord(
        **{
            **said,
            **times,
            "channel": ConsentChannel(said["channel"]),
            "state": ConsentState(said["state"]),
            "recipient_type": RecipientType(said["recipient_type"]),
            "purposes": tuple(said["purposes"]),
            "delegation": None
            if delegation is None
            else Delegation(**{**delegation, "goods": tuple(delegation["goods"])}),
        }
    )


def _word(opened: Opened, name: str) -> str:
    return str(opened.manifest.get(name, ""))


def _json(said: Mapping[str, object]) -> bytes:
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
