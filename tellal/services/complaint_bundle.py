"""The evidence for a complaint as its authority gets it: signed, made anew whenever it is asked.

It holds what the person granted and refused, the message that he complains of (or the newest of the
topic) with its text, attempts and receipts, and why it was sent. `tellal verify bundle` verifies it
like any bundle of evidence.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Row, Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.customers import Brand
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ComplaintRow, ContactPointRow
from tellal.persistence.tables.ledger import AttemptRow, DecisionRow, MessageRow, ReceiptRow
from tellal.services.bundles import pack
from tellal.services.complaints import Complaint, Complaints
from tellal.services.consent_evidence import Wanted, evidence_files

COMPLAINT, MESSAGES = "complaint.json", "messages.json"

_messages = table(MessageRow)
_attempts = table(AttemptRow)
_receipts = table(ReceiptRow)
_decisions = table(DecisionRow)
_points = table(ContactPointRow)

_MOST = 20
_OF_STAFF = frozenset({"filed_by", "closed_by", "resumed_by", "erased_by"})


async def bundle_complaint(
    tx: AsyncSession,
    complaints: Complaints,
    brand: Brand,
    complaint_id: str,
    *,
    key: Ed25519PrivateKey,
    clock: Clock,
) -> bytes:
    """Write the evidence for a complaint as a signed bundle.

    Raises:
        NotFoundError: The brand has no such complaint.
    """
    complaint = await complaints.find(tx, brand.id, complaint_id)
    wanted = Wanted(customer=complaint.customer)
    files, about = await evidence_files(tx, brand, wanted, clock=clock)
    said = {name: value for name, value in asdict(complaint).items() if name not in _OF_STAFF}
    files[COMPLAINT] = _json(said)
    files[MESSAGES] = _json([await _told(tx, row) for row in await _meant(tx, brand.id, complaint)])
    return pack(files, {**about, "complaint": complaint.id}, key)


async def _meant(tx: AsyncSession, brand_id: str, complaint: Complaint) -> Sequence[Row[Any]]:
    """Return the message that he names, or the newest of the topic before he complained."""
    query = select(_messages, _points.c.address).outerjoin(
        _points, _points.c.id == _messages.c.contact_point_id
    )
    if complaint.message_id is not None:
        return (await tx.execute(query.where(_messages.c.id == complaint.message_id))).all()
    customer = await _customer_id(tx, complaint.id)
    of_topic = query.where(
        _messages.c.brand_id == brand_id,
        _messages.c.customer_id == customer,
        _messages.c.topic == complaint.topic,
        _messages.c.created_at <= complaint.filed_at,
    )
    return (await tx.execute(of_topic.order_by(_messages.c.id.desc()).limit(_MOST))).all()


async def _customer_id(tx: AsyncSession, complaint_id: str) -> str:
    complaints = table(ComplaintRow)
    query = select(complaints.c.customer_id).where(complaints.c.id == complaint_id)
    return str((await tx.execute(query)).scalar_one())


async def _told(tx: AsyncSession, message: Row[Any]) -> dict[str, object]:
    """Return a message with its attempts and receipts, and the decisions that led to it."""
    why = select(_decisions).where(_decisions.c.outcome_id == message.outcome_id)
    return {
        "message": _shown(message),
        "attempts": await _of_message(tx, _attempts, message.id),
        "receipts": await _of_message(tx, _receipts, message.id),
        "decisions": [_shown(row) for row in await tx.execute(why.order_by(_decisions.c.id))],
    }


async def _of_message(tx: AsyncSession, rows: Table, message_id: str) -> list[dict[str, object]]:
    query = select(rows).where(rows.c.message_id == message_id).order_by(rows.c.id)
    return [_shown(row) for row in await tx.execute(query)]


def _shown(row: Row[Any]) -> dict[str, object]:
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of it


def _json(said: object) -> bytes:
    words = json.dumps(said, ensure_ascii=False, sort_keys=True, indent=1, default=_written)
    return words.encode() + b"\n"


def _written(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
